"""Conv, Gemm and MatMul against onnxruntime and qonnx; integers make float execution exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx_oracle import block_of, check, imported, integers, model, op_names, quant

from lowbit_dialect.importers import ImportFailed
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.linear import Conv2dOp, DenseOp

QUANT = {"scale": 1.0, "zero": 0.0, "bits": 4.0, "wscale": 1.0, "wbits": 3.0}

FLATTENS = {
    "Flatten": [helper.make_node("Flatten", ["p"], ["f"])],
    "Reshape": [helper.make_node("Reshape", ["p", "shape"], ["f"])],
    "Transpose": [
        helper.make_node("Transpose", ["p"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Flatten", ["t"], ["f"]),
    ],
}


def conv_model(shape: tuple[int, ...], w: Array, **attributes: object) -> tuple:
    """Quant, Conv of quantised weights, with the constants of both."""
    nodes = [
        quant("x", "q"),
        quant("w", "wq", "wscale", "zero", "wbits"),
        helper.make_node("Conv", ["q", "wq"], ["y"], "conv", **attributes),
    ]
    return nodes, shape, {**QUANT, "w": w}


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    spare=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    channels=st.sampled_from([(1, 2, 1), (3, 4, 1), (4, 6, 2), (4, 4, 4), (2, 4, 2)]),
    seed=st.integers(0, 99),
)
def test_conv(spare, kernel, strides, dilations, pads, channels, seed):
    size = tuple(d * (k - 1) + 1 + s for d, k, s in zip(dilations, kernel, spare))
    inputs, outputs, groups = channels
    proto = model(
        *conv_model(
            (2, inputs, *size),
            integers(seed, outputs, inputs // groups, *kernel),
            kernel_shape=kernel,
            strides=strides,
            dilations=dilations,
            pads=pads,
            group=groups,
        )
    )
    module = check(proto, integers(seed + 1, 2, inputs, *size, low=-9, high=9))
    before = op_names(module)[: op_names(module).index("conv2d")]
    assert before[0] == "quantize" and (inputs > 1 or "transpose" not in before)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("size,stride", [((5, 6), 2), ((7, 4), 1), ((6, 6), 3)])
def test_auto_pad(auto_pad, size, stride):
    w = integers(1, 2, 1, 4, 3)
    attributes = {"auto_pad": auto_pad, "strides": [stride, stride]}
    check(model(*conv_model((1, 1, *size), w, **attributes)), integers(2, 1, 1, *size))


@pytest.mark.parametrize(
    "zero,bits,signed", [(3.0, 4.0, 0), (8.0, 4.0, 0), (10.0, 8.0, 0), (-5.0, 8.0, 1)]
)
def test_conv_of_asymmetric_codes_pads_with_zero(zero, bits, signed):
    nodes = [
        quant("x", "q", zero="azero", bits="abits", signed=signed),
        quant("w", "wq", "wscale", "zero", "wbits"),
        helper.make_node("Conv", ["q", "wq", "b"], ["y"], "conv", pads=[1, 0, 2, 1]),
    ]
    constants = {**QUANT, "azero": zero, "abits": bits, "w": integers(3, 4, 2, 3, 3)}
    proto = model(nodes, (1, 2, 5, 5), {**constants, "b": [1.0, -2.0, 0.0, 5.0]})
    check(proto, integers(4, 1, 2, 5, 5, low=-12, high=12))


@pytest.mark.parametrize("bits,zero", [(4.0, 5.0), (8.0, 100.0)])
def test_a_float_conv_pads_with_zero_whatever_the_zero_point(bits, zero):
    nodes = [quant("x", "q", zero="azero", bits="abits", signed=0)]
    nodes.append(helper.make_node("Conv", ["q", "w"], ["y"], "conv", pads=[1, 1, 1, 1]))
    constants = {**QUANT, "azero": zero, "abits": bits, "w": integers(3, 4, 2, 3, 3)}
    check(model(nodes, (1, 2, 4, 4), constants), integers(4, 1, 2, 4, 4))


def kinds(module) -> list[str]:
    """What each product multiplies."""
    ops = [op for op in block_of(module).ops if isinstance(op, Conv2dOp | DenseOp)]
    return [f"{op.input.type.element_type} by {op.weights.type.element_type}" for op in ops]


@pytest.mark.parametrize("groups,integer", [(1, False), (2, True), (4, True)])
def test_a_scale_for_each_channel_that_is_summed_alone(groups, integer):
    nodes, shape, constants = conv_model((1, 4, 5, 5), integers(3, 8, 4 // groups, 3, 3))
    nodes[-1].attribute.append(helper.make_attribute("group", groups))
    scale = np.array([1, 1, 4, 4] if groups == 2 else [1, 2, 4, 0.5], np.float32)
    constants["scale"] = scale.reshape(1, 4, 1, 1)
    constants["wscale"] = np.exp2(np.arange(8) % 3).astype(np.float32).reshape(8, 1, 1, 1)
    module = check(model(nodes, shape, constants), integers(4, *shape, low=-9, high=9))
    assert kinds(module) == ["!lowbit.int<4> by !lowbit.int<3>" if integer else "f32 by f32"]


def test_a_scale_for_each_group_of_weights_that_are_summed_together():
    scales = np.exp2(integers(5, 3, 2, 1)).astype(np.float32)
    nodes = [
        quant("x", "q"),
        quant("w", "wq", "wscale", "zero", "wbits"),
        helper.make_node("Reshape", ["wq", "shape"], ["wr"]),
        helper.make_node("Gemm", ["q", "wr"], ["y"], transB=1),
    ]
    constants = {**QUANT, "w": integers(6, 3, 2, 4), "wscale": scales, "shape": np.array([3, 8])}
    assert kinds(check(model(nodes, (2, 8), constants), integers(7, 2, 8))) == ["f32 by f32"]


@pytest.mark.parametrize("bits,kind", [(16.0, "!lowbit.int<4> by i16"), (20.0, "f32 by f32")])
def test_weights_that_integers_do_not_hold_are_f32(bits, kind):
    nodes = [quant("x", "q"), quant("w", "wq", "wscale", "zero", "wbits")]
    nodes.append(helper.make_node("MatMul", ["q", "wq"], ["y"]))
    w = np.array([[40000], [-32768], [7]], np.float32)
    proto = model(nodes, (2, 3), {**QUANT, "wbits": bits, "w": w})
    assert kinds(check(proto, integers(1, 2, 3))) == [kind]


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize(
    "attributes",
    [{}, {"strides": [2], "pads": [2, 1], "dilations": [2]}, {"auto_pad": "SAME_UPPER"}],
)
def test_conv_over_one_dimension(groups, attributes):
    nodes, shape, constants = conv_model((2, 4, 9), integers(3, 8, 4 // groups, 3))
    nodes[-1].attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
    nodes[-1].attribute.append(helper.make_attribute("group", groups))
    nodes[-1].input.append("b")
    constants["scale"] = np.array([1, 2, 4, 1] if groups == 4 else [1] * 4).reshape(1, 4, 1) * 1.0
    constants["scale"] = constants["scale"].astype(np.float32)
    constants["wscale"] = np.exp2(np.arange(8) % 3).astype(np.float32).reshape(8, 1, 1)
    x = integers(4, *shape, low=-9, high=9)
    module = check(model(nodes, shape, {**constants, "b": np.arange(8.0).tolist()}), x)
    assert kinds(module) == ["!lowbit.int<4> by !lowbit.int<3>"]


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "GlobalAveragePool"])
def test_pools_over_one_dimension(op):
    nodes, shape, constants = conv_model((2, 3, 9), integers(5, 4, 3, 2))
    window = {} if op.startswith("G") else {"kernel_shape": [2], "strides": [2]}
    nodes[-1].output[0] = "c"
    nodes += [quant("c", "p"), helper.make_node(op, ["p"], ["y"], **window)]
    check(model(nodes, shape, constants), integers(6, *shape, low=-9, high=9))


def test_scales_multiply_in_double_and_round_once():
    nodes, shape, constants = conv_model((1, 1, 3, 3), integers(5, 2, 1, 1, 1))
    scales = np.array([0.1, 0.3], np.float32).reshape(2, 1, 1, 1)
    module = imported(model(nodes, shape, {**constants, "scale": 0.7, "wscale": scales}))
    table = next(op for op in block_of(module).ops if op.name == "lowbit.requantize").operands[1]
    want = (np.float64(np.float32(0.7)) * scales.ravel().astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(table.owner.array(), want)


def test_weights_of_one_signed_bit_are_bipolar():
    nodes, shape, constants = conv_model((1, 1, 3, 3), integers(6, 2, 1, 2, 2))
    module = check(model(nodes, shape, {**constants, "wbits": 1.0}), integers(7, 1, 1, 3, 3))
    conv = next(op for op in block_of(module).ops if isinstance(op, Conv2dOp))
    assert str(conv.weights.type.element_type) == "!lowbit.odd<1>"


def test_float_weights_make_a_float_conv():
    w = helper.make_node("Conv", ["x", "w", "b"], ["y"], "conv")
    proto = model([w], (1, 2, 4, 4), {"w": integers(8, 3, 2, 3, 3), "b": [1, 2, 3]})
    module = check(proto, integers(9, 1, 2, 4, 4))
    assert op_names(module) == ["transpose", "conv2d", "add", "transpose"]


@pytest.mark.parametrize("flatten", ["Flatten", "Reshape", "Transpose"])
def test_flattened_images_permute_the_weights_after(flatten):
    nodes, shape, constants = conv_model((1, 2, 4, 4), integers(10, 3, 2, 2, 2))
    nodes[-1].output[0] = "c"
    nodes += [quant("c", "p"), *FLATTENS[flatten], quant("g", "gq", "wscale", "zero", "wbits")]
    nodes.append(helper.make_node("MatMul", ["f", "gq"], ["y"], "matmul"))
    constants |= {"shape": np.array([1, -1]), "g": integers(11, 27, 5), "scale": 2.0}
    module = check(model(nodes, shape, constants), integers(12, 1, 2, 4, 4))
    assert op_names(module)[-3:] == ["reshape", "dense", "requantize"]


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("bias", [None, 2.0, [1.0, 2.0, 3.0], [[4.0, 5.0, 6.0]]])
def test_gemm(transposed, bias):
    w = integers(13, 3, 6) if transposed else integers(13, 6, 3)
    names = ["q", "wq"] if bias is None else ["q", "wq", "c"]
    nodes = [
        quant("x", "q"),
        quant("w", "wq", "wscale", "zero", "wbits"),
        helper.make_node("Gemm", names, ["y"], "gemm", transB=transposed, beta=0.5),
    ]
    constants = {**QUANT, "w": w} | ({} if bias is None else {"c": bias})
    constants["wscale"] = np.array([1, 2, 4], np.float32).reshape((3, 1) if transposed else (1, 3))
    module = check(model(nodes, (4, 6), constants), integers(14, 4, 6, low=-9, high=9))
    assert any(isinstance(op, DenseOp) for op in block_of(module).ops)


def broken(what: str) -> tuple:
    """A conv model with one thing wrong."""
    nodes, shape, constants = conv_model((1, 2, 5, 5), integers(15, 4, 2, 3, 3))
    match what:
        case "rank 2":
            shape, constants["w"] = (1, 2), integers(15, 4, 2)
        case "weights of rank 3":
            constants["w"] = integers(15, 4, 2, 3)
        case "channels":
            shape = (1, 3, 5, 5)
        case "window":
            shape = (1, 2, 2, 2)
        case "weights":
            nodes = [quant("x", "q"), helper.make_node("Conv", ["q", "q"], ["y"], "conv")]
        case "wrap":
            nodes = [
                *nodes[:2],
                helper.make_node("Reshape", ["wq", "s"], ["wr"]),
                helper.make_node("Flatten", ["q"], ["f"]),
                helper.make_node("MatMul", ["f", "wr"], ["y"], "matmul"),
            ]
            shape = (1, 140000, 1, 1)
            constants |= {
                "bits": 8.0,
                "wbits": 8.0,
                "w": np.full((140000, 1), -128, np.float32),
                "s": np.array([140000, 1]),
            }
    return nodes, shape, constants


@pytest.mark.parametrize(
    "what,message",
    [
        ("rank 2", "Conv 'conv': takes rank 3 or 4"),
        ("weights of rank 3", "Conv 'conv': takes rank 3 or 4"),
        ("channels", "Conv 'conv': weights .* do not fit 3 input channels"),
        ("window", "Conv 'conv': the output is empty"),
        ("weights", "Conv 'conv': input 'q' is not a constant"),
        ("wrap", "MatMul 'matmul': .*can wrap in i32"),
    ],
)
def test_refusals(what, message):
    with pytest.raises(ImportFailed, match=message) as caught:
        imported(model(*broken(what)))
    assert "\n" not in str(caught.value)
