"""Quant and BipolarQuant on known and on computed values, against qonnx."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx_oracle import QONNX, block_of, check, imported, integers, model, op_names, quant

from lowbit_dialect.importers import ImportFailed
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.elementwise import QuantizeOp

SCALES = (0.5, 1.0, 0.1)
EDGES = np.arange(-80, 80, dtype=np.float32) / 8
"""Every tie and its neighbours, for scales that are powers of two."""


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    bits=st.integers(1, 8),
    signed=st.booleans(),
    narrow=st.booleans(),
    scale=st.sampled_from(SCALES),
    offset=st.integers(0, 255),
    mode=st.sampled_from(
        ["ROUND", "half_even", "CEIL", "floor", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]
    ),
    known=st.booleans(),
)
def test_quant(bits, signed, narrow, scale, offset, mode, known):
    if narrow and not signed and bits == 1:
        narrow = False
    low = 0 if not signed else -(1 << (bits - 1)) + narrow
    high = low + (1 << bits) - 1 - narrow
    zero = 0.0 if bits == 1 else float(low + offset % (high - low + 1))
    node = quant("w" if known else "x", "q", signed=signed, narrow=narrow, rounding_mode=mode)
    nodes = [node, helper.make_node("Add", ["q", "x"] if known else ["q", "n"], ["y"])]
    x = (EDGES + low).reshape(1, -1)
    constants = {"scale": scale, "zero": zero, "bits": float(bits), "w": x[0], "n": 0.0}
    check(model(nodes, x.shape, constants), x)


@pytest.mark.parametrize(
    "bits,signed,narrow,code",
    [
        (1, 0, 0, "uint<1>"),
        (1, 1, 0, "odd<1>"),
        (2, 1, 1, "ternary"),
        (2, 1, 0, "int<2>"),
        (3, 0, 1, "uint<3>"),
        (8, 1, 1, "int<8>"),
        (8, 0, 0, "uint<8>"),
    ],
)
def test_the_code_type_is_the_narrowest_of_the_declared_bits(bits, signed, narrow, code):
    constants = {"scale": 1.0, "zero": 0.0, "bits": float(bits)}
    proto = model([quant("x", "y", signed=signed, narrow=narrow)], (1, 3), constants)
    op = next(op for op in block_of(imported(proto)).ops if isinstance(op, QuantizeOp))
    assert str(op.output_element) == f"!lowbit.{code}"


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (3, 1, 1), (1, 1, 1, 4)])
def test_scales_run_along_one_axis(shape):
    scale = np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape) / 2
    constants = {"scale": scale, "zero": 0.0, "bits": 4.0}
    check(
        model([quant("x", "y")], (2, 3, 5, 4), constants), integers(1, 2, 3, 5, 4, low=-9, high=9)
    )


def test_bipolar_is_minus_one_below_zero_only():
    node = helper.make_node("BipolarQuant", ["x", "scale"], ["y"], domain=QONNX)
    x = np.array([[-1.0, -1e-38, -0.0, 0.0, 1e-38, 3.0]], np.float32)
    check(model([node], (1, 6), {"scale": 0.25}), x)


def test_a_zero_point_that_needs_another_plane_stays_in_the_codes():
    constants = {"scale": 0.5, "zero": 3.0, "bits": 4.0}
    proto = model([quant("x", "y", signed=0)], (1, 160), constants)
    module = check(proto, EDGES.reshape(1, -1))
    assert op_names(module) == ["div", "add", "quantize", "add", "requantize"]
    constants["zero"] = 8.0
    module = check(model([quant("x", "y", signed=0)], (1, 160), constants), EDGES.reshape(1, -1))
    assert op_names(module) == ["quantize", "requantize"]


def test_weights_that_a_zero_point_widens_are_i16():
    nodes = [quant("x", "q", zero="none"), quant("w", "wq", signed=0, bits="wide")]
    nodes.append(helper.make_node("MatMul", ["q", "wq"], ["y"]))
    constants = {"scale": 1.0, "none": 0.0, "bits": 4.0, "wide": 8.0, "zero": 10.0}
    weights = np.array([[-10], [245], [3]], np.float32)
    module = check(model(nodes, (2, 3), {**constants, "w": weights}), integers(2, 2, 3))
    held = [op.result.type for op in block_of(module).ops if isinstance(op, ConstantOp)]
    assert "tensor<3x1xi16>" in map(str, held)


def test_the_1_bit_annotation_of_finn_makes_codes_of_float_weights():
    nodes = [quant("x", "q"), helper.make_node("MatMul", ["q", "w"], ["y"])]
    w = np.where(integers(3, 6, 2) >= 0, 1, -1).astype(np.float32)
    proto = model(nodes, (1, 6), {"scale": 1.0, "zero": 0.0, "bits": 2.0, "w": w})
    note = proto.graph.quantization_annotation.add()
    note.tensor_name = "w"
    entry = note.quant_parameter_tensor_names.add()
    entry.key, entry.value = "finn_datatype", "BIPOLAR"
    module = check(proto, integers(4, 1, 6))
    assert "tensor<6x2x!lowbit.odd<1>>" in str(module)
    entry.value = "UINT2"
    with pytest.raises(ImportFailed, match=r"'w' is annotated as integers of 0..3 and holds other"):
        imported(proto)


@pytest.mark.parametrize(
    "changes",
    [
        {"bits": 16.0},
        {"bits": 32.0, "scale": 2.0**-31},
        {"bits": np.asarray(9, np.int64)},
        {"zero": 0.5},
        {"zero": 9.0},
        {"zero": np.asarray(-3, np.int64)},
        {"zero": np.array([[1], [2]], np.float32)},
        {"scale": np.ones((2, 160), np.float32) + np.eye(2, 160, dtype=np.float32)},
    ],
)
@pytest.mark.parametrize("known", [False, True])
def test_what_no_code_holds_is_rounded_in_f32(changes, known):
    constants = {"scale": 0.5, "zero": 0.0, "bits": 4.0, "w": np.tile(EDGES, (2, 1)), **changes}
    nodes = [quant("w" if known else "x", "q"), helper.make_node("Add", ["q", "x"], ["y"])]
    check(model(nodes, (2, 160), constants), np.tile(EDGES, (2, 1)))


@pytest.mark.parametrize(
    "mode", ["CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "HALF_EVEN"]
)
def test_rounding_of_9_bits(mode):
    constants = {"scale": 0.5, "zero": 1.0, "bits": 9.0}
    check(model([quant("x", "y", rounding_mode=mode)], (1, 160), constants), EDGES.reshape(1, -1))


@pytest.mark.parametrize(
    "changes",
    [{"bits": 1.0}, {"zero": 0.5}, {"zero": 99.0}, {"bits": 16.0}, {"scale": [1.0] * 6 + [2.0]}],
)
def test_zeros_of_a_pad_are_quantised_too(changes):
    constants = {"scale": 0.5, "zero": 0.0, "bits": 4.0, "pads": np.array([0, 0, 1, 2, 0, 0, 0, 1])}
    nodes = [helper.make_node("Pad", ["x", "pads"], ["p"]), quant("p", "q")]
    nodes.append(helper.make_node("Conv", ["q", "w"], ["y"]))
    constants |= {"w": integers(1, 2, 3, 2, 2), **changes}
    check(model(nodes, (1, 3, 4, 4), constants), integers(2, 1, 3, 4, 4, low=-9, high=9))


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
@pytest.mark.parametrize("zero", [0.0, 8.0, 3.0])
def test_trunc(signed, mode, zero):
    domains = {"domain": QONNX, "rounding_mode": mode}
    constants = {"scale": 0.5, "zero": zero, "bits": 10.0, "target": 4.0, "few": 4.0}
    names = ["x", "scale", "zero", "bits", "target", "few"]
    second = helper.make_node("Trunc", names, ["y"], "trunc", signed=signed, narrow=0, **domains)
    x = np.arange(-700, 700, dtype=np.float32).reshape(1, -1) / 8
    module = check(model([second], x.shape, constants), x)
    assert ("div" in op_names(module)[3:]) == (zero != 0) and "quantize" in op_names(module)
    names.remove("target")
    proto = model([helper.make_node("Trunc", names, ["y"], "trunc", **domains)], x.shape, constants)
    proto.opset_import[1].version = 1
    check(proto, x)


@pytest.mark.parametrize(
    "changes,message",
    [
        ({"target": 3e38, "scale": 1e-38}, "drops 254 bits"),
        ({"target": 0.25}, "drops -1 bits"),
        ({"few": 0.0}, "leaves 0 bits"),
        ({"target": [1.0, 2.0]}, "one number each"),
    ],
)
def test_truncations_refused(changes, message):
    constants = {"scale": 0.5, "zero": 0.0, "bits": 10.0, "target": 4.0, "few": 4.0, **changes}
    names = ["x", "scale", "zero", "bits", "target", "few"]
    node = helper.make_node("Trunc", names, ["y"], "trunc", domain=QONNX)
    with pytest.raises(ImportFailed, match=f"Trunc 'trunc': .*{message}"):
        imported(model([node], (1, 3), constants))


@pytest.mark.parametrize(
    "constants,attributes,message",
    [
        ({"bits": 33.0}, {}, "has 33 bits: 1 to 32"),
        ({"bits": 2.5}, {}, "bit width is not one integer"),
        ({"zero": 1.0, "bits": 1.0}, {}, "bipolar, which has no zero point"),
        ({"scale": 0.0}, {}, "scale is not positive"),
        ({"scale": float("nan")}, {}, "'scale' holds a value that is not finite"),
        ({"scale": np.array([1, 2], np.float32)}, {}, "do not go with"),
        ({"scale": np.array([1, 2])}, {}, "'scale' is not float32"),
        ({}, {"rounding_mode": "STOCHASTIC"}, "rounding_mode is one of ROUND"),
        ({}, {"signed": 1.5}, "'signed' is an integer"),
    ],
)
def test_refusals(constants, attributes, message):
    defaults = {"scale": 1.0, "zero": 0.0, "bits": 4.0}
    proto = model([quant("x", "y", **attributes)], (2, 3), {**defaults, **constants})
    with pytest.raises(ImportFailed, match=message):
        imported(proto)
