"""Integer ops, and what onnxruntime's own quantiser writes, against onnxruntime."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_oracle import block_of, check, imported, integers, model
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from lowbit_dialect.importers import ImportFailed
from lowbit_dialect.layout import Array

MICROSOFT = "com.microsoft"
RANDOM = np.random.default_rng(0)


def weights(*shape: int) -> Array:
    """Weights as a network has them."""
    return (0.4 * RANDOM.normal(0, 1, shape)).astype(np.float32)


def number(value: float, dtype: type = np.float32) -> Array:
    """A scalar."""
    return np.asarray(value, dtype)


NETS = {
    "conv": (
        (1, 3, 8, 8),
        [
            helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c1"], ["r1"]),
            helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 0, 2, 1], strides=[2, 2]),
            helper.make_node("Relu", ["c2"], ["r2"]),
            helper.make_node("GlobalAveragePool", ["r2"], ["g"]),
            helper.make_node("Flatten", ["g"], ["f"]),
            helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
        ],
        {"w1": weights(8, 3, 3, 3), "b1": weights(8), "w2": weights(6, 8, 3, 3), "b2": weights(6)}
        | {"w3": weights(5, 6), "b3": weights(5)},
    ),
    "residual": (
        (1, 4, 6, 6),
        [
            helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c1"], ["r1"]),
            helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
            helper.make_node("Add", ["c2", "r1"], ["a"]),
            helper.make_node("MaxPool", ["a"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Conv", ["m", "w1", "b1"], ["y"]),
        ],
        {"w1": weights(4, 4, 3, 3), "b1": weights(4), "w2": weights(4, 4, 3, 3)},
    ),
    "depthwise": (
        (2, 4, 6, 6),
        [
            helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1, 1, 1, 1], group=4),
            helper.make_node("Clip", ["c1", "low", "high"], ["r1"]),
            helper.make_node("Conv", ["r1", "w2", "b2"], ["y"]),
        ],
        {"w1": weights(4, 1, 3, 3), "w2": weights(6, 4, 1, 1), "b2": weights(6)}
        | {"low": number(0), "high": number(6)},
    ),
}


class Samples(CalibrationDataReader):
    """What the quantiser looks at to choose its scales."""

    def __init__(self, shape: tuple[int, ...]):
        self.left = [RANDOM.normal(0.3, 1, shape).astype(np.float32) for _ in range(2)]

    def get_next(self):
        return {"x": self.left.pop()} if self.left else None


def quantised(net: str, folder: Path, **options: object) -> onnx.ModelProto:
    """A network quantised by onnxruntime, its scales moved to powers of two.

    All its f32 steps are exact then, in whatever order a machine sums; weights of 7 bits keep onnxruntime's
    sums within the 16 bits that it has on some machines.
    """
    shape, nodes, constants = NETS[net]
    plain, written = str(folder / "plain.onnx"), str(folder / "quantised.onnx")
    onnx.save(model(nodes, shape, constants, opset=17), plain)
    logging.disable(logging.WARNING)
    quantize_static(plain, written, Samples(shape), reduce_range=True, **options)
    logging.disable(logging.NOTSET)
    proto = onnx.load(written)
    for tensor in proto.graph.initializer:
        if tensor.name.endswith("_scale"):
            power = np.exp2(np.round(np.log2(numpy_helper.to_array(tensor))))
            tensor.CopyFrom(numpy_helper.from_array(power.astype(np.float32), tensor.name))
    return proto


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("format", list(QuantFormat), ids=lambda format: format.name)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QUInt8, "per_channel": True},
    ],
    ids=["default", "unsigned"],
)
def test_what_onnxruntime_quantises(net, format, options, tmp_path):
    proto = quantised(net, tmp_path, quant_format=format, **options)
    module = check(proto, RANDOM.normal(0.3, 1, NETS[net][0]).astype(np.float32))
    products = [op for op in block_of(module).ops if op.name in ("lowbit.conv2d", "lowbit.dense")]
    assert products and all("lowbit" in str(op.input.type.element_type) for op in products)


def chain(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """A node of integers between a QuantizeLinear and a DequantizeLinear."""
    return [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["q"]),
        node,
        helper.make_node("DequantizeLinear", ["p", "ys", "yz"], ["y"]),
    ]


@pytest.mark.parametrize(
    "dtype,zeros", [(np.uint8, (113, 7)), (np.int8, (-5, -128)), (np.uint8, (0, 0))]
)
@pytest.mark.parametrize("per_output", [False, True])
@pytest.mark.parametrize("op", ["QLinearConv", "QLinearMatMul", "QGemm"])
def test_products_scale_once_as_onnxruntime(op, per_output, dtype, zeros):
    shape = (2, 3, 9, 9) if op == "QLinearConv" else (50, 6)
    kernel = (4, 3, 3, 3) if op == "QLinearConv" else (6, 4)
    scales = [0.0123, 0.0321, 0.1, 0.0567] if per_output else 0.0123
    constants = {"xs": number(0.0371), "xz": number(zeros[0], dtype)}
    constants |= {"ys": number(0.0519), "yz": number(zeros[1], dtype), "ws": scales}
    constants |= {"w": integers(1, *kernel, low=-63, high=63).astype(np.int8)}
    constants |= {"wz": np.zeros(4 if per_output else (), np.int8)}
    constants |= {"b": integers(2, 4, low=-9000, high=9000).astype(np.int32)}
    names = ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    match op:
        case "QLinearConv":
            node = helper.make_node(op, [*names, "b"], ["p"], pads=[1, 0, 1, 2])
        case "QLinearMatMul":
            node = helper.make_node(op, names, ["p"])
        case _:
            names.insert(6, "b")
            node = helper.make_node(op, names, ["p"], domain=MICROSOFT, alpha=0.75)
    proto = model(chain(node), shape, constants)
    proto.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    x = (3 * np.random.default_rng(3).normal(0, 1, shape)).astype(np.float32)
    check(proto, x)


def test_a_product_without_a_scale_gives_real_numbers():
    constants = {"xs": number(0.25), "xz": number(3, np.uint8), "ws": number(0.5)}
    constants |= {"w": integers(1, 6, 4).astype(np.int8), "wz": number(0, np.int8)}
    names = ["q", "xs", "xz", "w", "ws", "wz"]
    nodes = chain(helper.make_node("QGemm", names, ["y"], domain=MICROSOFT))[:2]
    proto = model(nodes, (5, 6), constants)
    proto.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    check(proto, integers(2, 5, 6, low=-60, high=60))


@pytest.mark.parametrize("op", ["ConvInteger", "MatMulInteger"])
@pytest.mark.parametrize("zero", [0, 77])
def test_sums_as_integers(op, zero):
    shape, kernel = ((1, 2, 5, 5), (3, 2, 2, 2)) if op == "ConvInteger" else ((4, 6), (6, 3))
    constants = {"xs": number(0.5), "xz": number(zero, np.uint8), "wz": number(9, np.uint8)}
    constants |= {"w": integers(1, *kernel, low=0, high=99).astype(np.uint8)}
    nodes = chain(helper.make_node(op, ["q", "w", "xz", "wz"], ["p"]))[:2]
    nodes.append(helper.make_node("Cast", ["p"], ["y"], to=onnx.TensorProto.FLOAT))
    check(model(nodes, shape, constants), integers(2, *shape, low=-60, high=60))


@pytest.mark.parametrize(
    "op",
    ["QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearGlobalAveragePool", "QLinearAveragePool"],
)
def test_other_ops_are_those_of_f32(op):
    shape = (1, 3, 4, 4)
    constants = {"xs": number(0.5), "xz": number(90, np.uint8), "ys": number(0.25)}
    constants |= {"yz": number(131, np.uint8), "ks": number(2), "kz": number(100, np.uint8)}
    constants |= {"k": integers(1, *shape, low=90, high=110).astype(np.uint8)}
    names = ["q", "xs", "xz", "k", "ks", "kz", "ys", "yz"]
    attributes: dict[str, object] = {"axis": 1} if op == "QLinearConcat" else {}
    if op == "QLinearConcat":
        names = names[6:] + names[:6]
    if op.endswith("Pool"):
        del names[3:6]
    if op == "QLinearAveragePool":
        # Fine enough that there is no tie, which onnxruntime rounds up here.
        constants["ys"], attributes = number(0.125), {"kernel_shape": [2, 2]}
    node = helper.make_node(op, names, ["p"], domain=MICROSOFT, **attributes)
    proto = model(chain(node), shape, constants)
    proto.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    check(proto, integers(2, *shape, low=-9, high=9))


def test_bytes_in_and_bytes_out():
    """What takes and gives integers, as NPU flows have it, takes and gives codes."""
    constants = {"xs": number(0.0371), "xz": number(113, np.uint8), "ws": number(0.0123)}
    constants |= {"ys": number(0.0519), "yz": number(7, np.uint8), "wz": number(0, np.int8)}
    constants |= {"w": integers(1, 4, 3, 3, 3, low=-63, high=63).astype(np.int8)}
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    nodes = [
        helper.make_node("QLinearConv", names, ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["c"], ["m"], kernel_shape=[2, 2]),
        helper.make_node("DequantizeLinear", ["m", "ys", "yz"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "xs", "xz"], ["y"]),
    ]
    proto = model(nodes, (1, 3, 6, 6), constants)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    x = integers(2, 1, 3, 6, 6, low=0, high=255).astype(np.uint8)
    (result,) = imported(proto).body.block.ops.last.function_type.outputs
    assert check(proto, x) and str(result.element_type) == "!lowbit.uint<8>"


@pytest.mark.parametrize(
    "inputs,message",
    [
        (["q", "xs", "xz", "q", "xs", "xz", "xs", "xz"], "weights q are not constant"),
        (["q", "xs", "xz", "w", "ws", "xz", "xs", "xz"], "scales of shape"),
        (["q", "xs", "xz", "w", "xs", "xz", "xs", "xz", "xs"], "bias of shape"),
    ],
)
def test_refusals(inputs, message):
    constants = {"xs": number(0.5), "xz": number(9, np.uint8), "ws": [1.0, 2.0, 3.0]}
    constants |= {"w": integers(1, 4, 2, 1, 1).astype(np.uint8)}
    nodes = chain(helper.make_node("QLinearConv", inputs, ["p"], "conv"))
    with pytest.raises(ImportFailed, match=f"QLinearConv 'conv': .*{message}"):
        imported(model(nodes, (1, 2, 3, 3), constants))
