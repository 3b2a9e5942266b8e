"""MatMul and Gemm of every form, rows and transposed convolutions, against onnxruntime and qonnx."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx_oracle import check, imported, integers, model, op_names, quant

from lowbit_dialect.importers import ImportFailed

NODE = helper.make_node
CODES = {"scale": 0.5, "zero": 0, "bits": 4}
X, W = quant("x", "q"), quant("w", "wq")


def built(nodes: list[Any], shape: tuple[int, ...], **constants: Any) -> Any:
    return near(0.0, nodes, shape, **constants)


def near(tolerance: float, nodes: list[Any], shape: tuple[int, ...], **constants: Any) -> Any:
    data = integers(1, *shape, low=-9, high=9)
    return check(model(nodes, shape, {**CODES, **constants}), data, tolerance)


@pytest.mark.parametrize("shape", [(2, 5, 6), (2, 1, 3, 6), (3, 6)])
def test_rows_by_a_known_matrix(shape: tuple[int, ...]):
    module = built([X, W, NODE("MatMul", ["q", "wq"], ["y"])], shape, w=integers(2, 6, 4))
    assert "xi32" in str(module) and op_names(module).count("dense") == 1


@pytest.mark.parametrize("shape", [(6, 5), (2, 6, 5)])
def test_a_known_matrix_on_the_left(shape: tuple[int, ...]):
    scale = np.float32([0.5, 1, 2, 0.25]).reshape(4, 1)
    nodes = [X, quant("w", "wq", scale="rows"), NODE("MatMul", ["wq", "q"], ["y"])]
    module = built(nodes, shape, w=integers(2, 4, 6), rows=scale)
    assert op_names(module).count("dense") == 1


@pytest.mark.parametrize("op", ["GlobalAveragePool", "ReduceMean"])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (3, 5), (65, 63), (65, 64)])
def test_a_mean_of_codes_is_multiplied_as_the_sum(op: str, size: tuple[int, int]):
    """Whether its scale takes the division or not, up to what i16 holds: 4095 times -8.

    The sum is rounded once, not each mean.
    """
    mean = NODE(op, ["q", "axes"] if op == "ReduceMean" else ["q"], ["p"])
    nodes = [X, mean, NODE("Flatten", ["p"], ["f"]), W, NODE("MatMul", ["f", "wq"], ["y"])]
    module = near(1e-6, nodes, (2, 6, *size), w=integers(2, 6, 4), axes=np.array([2, 3]))
    assert ("lowbit.dense" in str(module)) and ("tensor<2x6xi16>" in str(module)) == (size[1] != 64)


def test_means_that_are_no_sums_times_a_number_are_multiplied_in_f32():
    """Scales of each channel, and weights that are no integers times a number of each output."""
    mean = [NODE("GlobalAveragePool", ["q"], ["p"]), NODE("Flatten", ["p"], ["f"])]
    rows = np.float32([0.5, 1, 2, 0.25, 1, 1])
    by_channel = quant("x", "q", scale="rows")
    nodes = [by_channel, *mean, W, NODE("MatMul", ["f", "wq"], ["y"])]
    module = near(1e-6, nodes, (2, 6, 3, 5), w=integers(2, 6, 4), rows=rows.reshape(1, 6, 1, 1))
    assert "xi16" not in str(module)
    nodes = [X, *mean, quant("w", "wq", scale="rows"), NODE("MatMul", ["f", "wq"], ["y"])]
    module = near(1e-6, nodes, (2, 6, 3, 5), w=integers(2, 6, 4), rows=rows.reshape(6, 1))
    assert "xi16" not in str(module)


def test_two_computed_matrices_of_codes():
    nodes = [
        X,
        quant("x", "p", bits="two"),
        NODE("Transpose", ["p"], ["t"], perm=[1, 0]),
        NODE("MatMul", ["q", "t"], ["y"]),
    ]
    module = built(nodes, (3, 70), two=2)
    assert "!lowbit.int<4>>, tensor<70x3x!lowbit.int<2>>" in str(module)


@pytest.mark.parametrize("zero", [0, 3])
def test_attention(zero: int):
    nodes = [
        quant("x", "q", signed=0, zero="z"),
        NODE("Reshape", ["q", "s"], ["h"]),
        NODE("Transpose", ["h"], ["a"], perm=[0, 2, 1, 3]),
        NODE("Transpose", ["h"], ["b"], perm=[0, 2, 3, 1]),
        NODE("MatMul", ["a", "b"], ["y"]),
    ]
    module = built(nodes, (2, 5, 6), z=zero, s=np.array([2, 5, 3, 2]))
    assert op_names(module).count("dense") == 6


@pytest.mark.parametrize("lead", [((2, 3), (3,)), ((1, 3), (2, 1)), ((2,), ())])
def test_matrices_broadcast(lead: tuple[tuple[int, ...], tuple[int, ...]]):
    shape = (*lead[0], 4, 5)
    nodes = [X, NODE("MatMul", ["q", "k"], ["y"])]
    built(nodes, shape, k=integers(4, *lead[1], 5, 2))


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm(transposed: int):
    attributes = {"transA": transposed, "transB": transposed, "alpha": 0.5, "beta": 2.0}
    shape = (5, 3) if transposed else (3, 5)
    w = integers(3, 4, 5) if transposed else integers(3, 5, 4)
    nodes = [X, W, NODE("Gemm", ["q", "wq", "c"], ["y"], **attributes)]
    built(nodes, shape, w=w, c=integers(5, 3, 4))
    built([X, NODE("Gemm", ["q", "q"], ["y"], transA=1 - transposed, transB=transposed)], (5, 5))


@pytest.mark.parametrize("groups", [1, 2])
def test_rows(groups: int):
    attributes = {"pads": [2, 1], "strides": [2], "dilations": [2], "group": groups}
    nodes = [X, W, NODE("Conv", ["q", "wq", "c"], ["y"], "conv", **attributes)]
    module = built(nodes, (2, 4, 9), w=integers(3, 6, 4 // groups, 3), c=integers(5, 6))
    assert op_names(module).count("conv2d") == 1


TRANSPOSED = [
    {},
    {"strides": [2, 2]},
    {"strides": [3, 2], "pads": [1, 0, 2, 1], "output_padding": [1, 1]},
    {"strides": [2, 1], "dilations": [2, 1], "pads": [1, 1, 1, 1]},
    {"strides": [2, 2], "pads": [3, 0, 4, 0]},
]


@pytest.mark.parametrize("attributes", TRANSPOSED)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("zero", [0, 3])
def test_conv_transpose(attributes: dict[str, Any], groups: int, zero: int):
    nodes = [
        quant("x", "q", signed=0, zero="z"),
        quant("w", "wq", scale="each"),
        NODE("ConvTranspose", ["q", "wq", "c"], ["y"], group=groups, **attributes),
    ]
    each = np.float32([0.5, 1.0, 2.0]).reshape(1, 3, 1, 1)
    constants = {"w": integers(3, 4, 3, 3, 2), "each": each, "c": integers(5, 3 * groups)}
    module = built(nodes, (2, 4, 5, 3), z=zero, **constants)
    assert op_names(module).count("conv2d") == 1 and "xi32" in str(module)


def test_conv_transpose_of_bipolar_codes_and_of_rows():
    signs = NODE("BipolarQuant", ["x", "scale"], ["q"], domain="qonnx.custom_op.general")
    nodes = [signs, W, NODE("ConvTranspose", ["q", "wq"], ["y"], strides=[2, 2])]
    built(nodes, (1, 3, 3, 4), w=integers(3, 3, 2, 2, 2))
    nodes = [X, W, NODE("ConvTranspose", ["q", "wq"], ["y"], strides=[3], pads=[1, 0])]
    built(nodes, (2, 3, 5), w=integers(3, 3, 2, 4))


@pytest.mark.parametrize(
    ("nodes", "shape", "message"),
    [
        ([NODE("MatMul", ["x", "v"], ["y"])], (3, 4), "reshape a vector to a matrix"),
        ([NODE("MatMul", ["x", "x"], ["y"])], (3, 4), "cannot multiply"),
        ([NODE("MatMul", ["x", "x"], ["y"])], (300, 2, 2), "300 pairs of matrices: up to 256"),
        ([NODE("Gemm", ["x", "w"], ["y"])], (2, 3, 4), "takes rank 2"),
        ([NODE("ConvTranspose", ["x", "w"], ["y"])], (1, 3, 4, 4), "do not fit 3 input channels"),
        (
            [NODE("ConvTranspose", ["x", "w"], ["y"], output_shape=[9, 9])],
            (1, 2, 4, 4),
            "output_pad",
        ),
        (
            [NODE("ConvTranspose", ["x", "w"], ["y"], output_padding=[1, 0])],
            (1, 2, 4, 4),
            "less than",
        ),
    ],
)
def test_refused(nodes: list[Any], shape: tuple[int, ...], message: str):
    constants = {"v": integers(1, 4), "w": integers(2, 2, 2, 2, 2)}
    with pytest.raises(ImportFailed, match=message):
        imported(model(nodes, shape, constants))
