"""QuantizeLinear, Clip, DequantizeLinear against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx_oracle import block_of, check, imported, integers, model, op_names

from lowbit_dialect.importers import ImportFailed
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.layout import ConstantOp


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


@pytest.mark.parametrize(
    "nodes,message",
    [
        (qcdq("x", "y", clip=False), "zero point 10 leaves integers of -10..245"),
        ([*qcdq("x", "y")[:2], helper.make_node("Relu", ["y_clipped"], ["y"])], "DequantizeLinear"),
        (
            [*qcdq("x", "y")[:1], helper.make_node("Identity", ["y_integers"], ["y"])],
            "DequantizeLin",
        ),
        ([helper.make_node("DequantizeLinear", ["x", "scale"], ["y"])], "QuantizeLinear belongs"),
        (
            [
                *qcdq("x", "y")[:2],
                helper.make_node("DequantizeLinear", ["y_clipped", "other", "zero"], ["y"]),
            ],
            "those of the QuantizeLinear before",
        ),
        ([helper.make_node("Clip", ["high", "high", "low"], ["y"])], "leave nothing"),
        ([helper.make_node("DequantizeLinear", ["scale", "scale"], ["y"])], "not float32"),
        (
            [helper.make_node("QuantizeLinear", ["x", "row", "zero"], ["q"], axis=1)],
            "2 scales for 3 positions",
        ),
        ([helper.make_node("QuantizeLinear", ["x", "scale", "wide"], ["q"])], "8-bit type"),
        (
            [helper.make_node("QuantizeLinear", ["x", "scale"], ["q"], output_dtype=3)],
            "output_dtype",
        ),
    ],
)
def test_refusals(nodes, message):
    constants = numbers(np.uint8, 10, 2, 200, 1.0)
    constants |= {"other": np.asarray(2, np.float32), "row": np.array([1, 2], np.float32)}
    constants |= {"wide": np.asarray(0, np.int16)}
    with pytest.raises(ImportFailed, match=message):
        imported(model(nodes, (1, 3), constants, opset=21))
