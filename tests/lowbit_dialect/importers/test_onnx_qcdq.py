"""QuantizeLinear, Clip, DequantizeLinear against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx_oracle import block_of, check, imported, integers, model, op_names

from lowbit_dialect.importers import ImportFailed
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.constant import ConstantOp


def qcdq(x: str, y: str, clip: bool = True, scale: str = "scale", **attributes: int) -> list:
    """The three nodes, or two."""
    integers = f"{y}_clipped" if clip else f"{y}_integers"
    nodes = [
        helper.make_node("QuantizeLinear", [x, scale, "zero"], [f"{y}_integers"], **attributes)
    ]
    if clip:
        nodes.append(helper.make_node("Clip", [f"{y}_integers", "low", "high"], [integers]))
    return [
        *nodes,
        helper.make_node("DequantizeLinear", [integers, scale, "zero"], [y], **attributes),
    ]


def numbers(dtype: type, zero: int, low: int, high: int, scale: float | Array) -> dict[str, Array]:
    """Constants of a QCDQ."""
    ints = {"zero": zero, "low": low, "high": high}
    return {"scale": np.asarray(scale, np.float32)} | {
        k: np.asarray(v, dtype) for k, v in ints.items()
    }


@pytest.mark.parametrize(
    "dtype,zero,low,high,code",
    [
        (np.int8, 0, -8, 7, "int<4>"),
        (np.int8, 0, -1, 1, "ternary"),
        (np.uint8, 0, 0, 3, "uint<2>"),
        (np.uint8, 1, 0, 3, "int<3>"),
        (np.uint8, 128, 0, 255, "int<8>"),
        (np.int8, -128, -128, 127, "uint<8>"),
    ],
)
def test_activations(dtype, zero, low, high, code):
    x = np.arange(-90, 90, dtype=np.float32).reshape(1, -1) / 8
    proto = model(qcdq("x", "y"), x.shape, numbers(dtype, zero, low, high, 0.5))
    module = check(proto, x)
    assert op_names(module) == ["quantize", "requantize"] and f"!lowbit.{code}>" in str(module)


@pytest.mark.parametrize("known", ["float", "integers", "per channel"])
def test_weights_and_bias(known):
    constants = numbers(np.int8, 0, -2, 1, 0.5)
    w = integers(1, 4, 2, 2, 2)
    constants |= {"w": w if known != "integers" else w.astype(np.int8)}
    constants |= {"b": np.arange(4, dtype=np.int32), "bscale": np.asarray(0.25, np.float32)}
    nodes = [*qcdq("x", "q"), helper.make_node("DequantizeLinear", ["b", "bscale"], ["bias"])]
    if known == "float":
        nodes += qcdq("w", "wq")
    elif known == "integers":
        nodes.append(helper.make_node("Clip", ["w", "low", "high"], ["w2"]))
        nodes.append(helper.make_node("DequantizeLinear", ["w2", "scale", "zero"], ["wq"]))
    else:
        constants["wscale"] = np.array([1, 2, 4, 0.5], np.float32)
        constants["zeros"] = np.zeros(4, np.int8)
        pair = ("QuantizeLinear", ["w", "wscale", "zeros"]), ("Clip", ["w1", "low", "high"])
        nodes += [helper.make_node(*pair[0], ["w1"], axis=0), helper.make_node(*pair[1], ["w2"])]
        nodes.append(
            helper.make_node("DequantizeLinear", ["w2", "wscale", "zeros"], ["wq"], axis=0)
        )
    nodes.append(helper.make_node("Conv", ["q", "wq", "bias"], ["y"]))
    module = check(model(nodes, (1, 2, 4, 4), constants), integers(2, 1, 2, 4, 4))
    held = [op.result.type for op in block_of(module).ops if isinstance(op, ConstantOp)]
    assert "tensor<2x2x2x4x!lowbit.int<2>>" in map(str, held)


EDGES = np.arange(-900, 900, dtype=np.float32).reshape(1, -1) / 8
"""Ties and their neighbours for a scale of 1/2, past both ends of 8 bits."""


@pytest.mark.parametrize(
    "dtype,zero", [(np.uint8, 100), (np.uint8, 1), (np.int8, -3), (np.int8, 127)]
)
def test_any_zero_point_of_8_bits_stays_in_the_codes(dtype, zero):
    constants = {"scale": np.asarray(0.5, np.float32), "zero": np.asarray(zero, dtype)}
    module = check(model(qcdq("x", "y", clip=False), EDGES.shape, constants), EDGES)
    code = "uint<8>" if dtype is np.uint8 else "int<8>"
    assert f"!lowbit.{code}>" in str(module) and "apply" in op_names(module)


@pytest.mark.parametrize("dtype,zero", [(np.uint8, 101), (np.int8, -7), (np.int8, -128)])
@pytest.mark.parametrize("pads", [0, 1])
def test_sums_of_asymmetric_codes_with_asymmetric_weights(dtype, zero, pads):
    constants = {"scale": np.asarray(0.5, np.float32), "zero": np.asarray(zero, dtype)}
    constants |= {"w": np.arange(0, 250, 7, dtype=np.uint8).reshape(2, 2, 3, 3)}
    constants |= {"ws": np.array([0.25, 2], np.float32), "wz": np.array([128, 90], np.uint8)}
    nodes = [*qcdq("x", "q", clip=False)]
    nodes.append(helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0))
    nodes.append(helper.make_node("Conv", ["q", "wd"], ["y"], pads=[pads] * 4))
    x = integers(3, 1, 2, 5, 5, low=-60, high=60)
    module = check(model(nodes, x.shape, constants), x)
    conv = next(op for op in block_of(module).ops if op.name == "lowbit.conv2d")
    assert str(conv.weights.type.element_type) == "i16"


@pytest.mark.parametrize("dtype,zero", [(np.int16, -5), (np.uint16, 40000)])
def test_16_bits_are_rounded_in_f32(dtype, zero):
    constants = {"scale": np.asarray(2**-7, np.float32), "zero": np.asarray(zero, dtype)}
    x = np.linspace(-400, 400, 999, dtype=np.float32).reshape(1, -1)
    module = check(model(qcdq("x", "y", clip=False), x.shape, constants, opset=21), x)
    assert "quantize" not in op_names(module)


def test_zero_points_and_scales_by_channel():
    constants = {
        "scale": np.array([0.5, 0.25, 2], np.float32),
        "zero": np.array([3, 200, 9], np.uint8),
    }
    x = integers(4, 2, 3, 4, 4, low=-90, high=90)
    check(model(qcdq("x", "y", clip=False), x.shape, constants), x)
    constants["zero"] = np.full(3, 200, np.uint8)
    module = check(model(qcdq("x", "y", clip=False), x.shape, constants), x)
    assert "!lowbit.uint<8>" in str(module)


@pytest.mark.parametrize("low,zeros,ops", [(0, 1, 0), (9, 1, 1), (0, 3, 1)])
@pytest.mark.parametrize("after", ["Relu", "Conv", "DequantizeLinear"])
def test_zeros_of_a_pad_are_quantised_too(low, zeros, ops, after):
    """They wait for the Conv only where they stay zeros."""
    constants = numbers(np.uint8, 5, low, 200, 0.5) | {"pads": np.array([0, 0, 1, 1, 0, 0, 2, 1])}
    constants |= {"w": integers(3, 2, 3, 2, 2), "ones": np.asarray(1, np.float32)}
    if zeros > 1:
        constants["scale"], constants["zero"] = (
            np.full(3, 0.5, np.float32),
            np.array([5, 6, 9], np.uint8),
        )
    nodes = [helper.make_node("Pad", ["x", "pads"], ["p"]), *qcdq("p", "q")]
    match after:
        case "Conv":
            nodes.append(helper.make_node("Conv", ["q", "w"], ["y"]))
        case "Relu":
            nodes.append(helper.make_node("Relu", ["q"], ["y"]))
        case _:
            other = ["q_clipped", "ones"] + (["zero"] if zeros == 1 else [])
            nodes.append(helper.make_node(after, other, ["y"]))
    module = check(model(nodes, (1, 3, 4, 4), constants), integers(4, 1, 3, 4, 4, low=-9, high=9))
    if after == "Conv":
        assert op_names(module).count("pad") == ops


def test_blocks_of_weights_share_a_scale():
    constants = {"w": integers(5, 8, 3, low=-8, high=7).astype(np.int8)}
    constants |= {"ws": np.exp2(integers(6, 4, 3)), "wz": integers(7, 4, 3).astype(np.int8)}
    nodes = [helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0, block_size=2)]
    nodes.append(helper.make_node("MatMul", ["x", "wd"], ["y"]))
    check(model(nodes, (2, 8), constants, opset=21), integers(8, 2, 8))


def test_integers_are_moved_and_pooled_as_such_and_read_with_other_numbers():
    constants = {"scale": np.asarray(0.5, np.float32), "zero": np.asarray(77, np.uint8)}
    constants |= {"other": np.asarray(0.25, np.float32), "point": np.asarray(9, np.uint8)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("MaxPool", ["q"], ["m"], kernel_shape=[2, 2]),
        helper.make_node("Transpose", ["m"], ["t"], perm=[0, 1, 3, 2]),
        helper.make_node("DequantizeLinear", ["t", "other", "point"], ["y"]),
    ]
    x = integers(9, 1, 3, 5, 4, low=-90, high=90)
    check(model(nodes, x.shape, constants), x)


@pytest.mark.parametrize(
    "nodes,message",
    [
        ([*qcdq("x", "y")[:2], helper.make_node("Relu", ["y_clipped"], ["y"])], "DequantizeLinear"),
        ([helper.make_node("DequantizeLinear", ["x", "scale"], ["y"])], "QuantizeLinear belongs"),
        ([helper.make_node("Clip", ["high", "high", "low"], ["y"])], "leave nothing"),
        ([helper.make_node("DequantizeLinear", ["scale", "scale"], ["y"])], "not float32"),
        (
            [helper.make_node("QuantizeLinear", ["x", "rows", "zero"], ["q"], block_size=2**60)],
            r"scales of shape \[1, 2\] for axis 1",
        ),
        (
            [helper.make_node("QuantizeLinear", ["x", "row", "zero"], ["q"], axis=1)],
            r"scales of shape \[2\] for axis 1 of \[1, 3\]",
        ),
        ([helper.make_node("QuantizeLinear", ["x", "scale", "wide"], ["q"])], "16 bits or fewer"),
        (
            [helper.make_node("QuantizeLinear", ["x", "scale"], ["q"], output_dtype=3)],
            "output_dtype",
        ),
    ],
)
def test_refusals(nodes, message):
    constants = numbers(np.uint8, 10, 2, 200, 1.0)
    constants |= {"row": np.array([1, 2], np.float32), "rows": np.array([[1, 2]], np.float32)}
    constants |= {"wide": np.asarray(0, np.int32)}
    with pytest.raises(ImportFailed, match=message):
        imported(model(nodes, (1, 3), constants, opset=21))
