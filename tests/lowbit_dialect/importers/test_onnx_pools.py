"""The pools against onnxruntime and qonnx."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx_oracle import check, imported, integers, model, op_names, quant

import lowbit
from lowbit_dialect.importers import ImportFailed

QUANT = {"scale": 0.5, "zero": 0.0, "bits": 4.0}


def node(op: str, x: str = "x", **attributes: object):
    """A pool from `x` to `y`."""
    return helper.make_node(op, [x], ["y"], "pool", **attributes)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["MaxPool", "AveragePool"]),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    spare=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padded=st.booleans(),
    dilation=st.integers(1, 2),
    codes=st.booleans(),
)
def test_pools(kind, kernel, spare, strides, padded, dilation, codes):
    dilations = [dilation] * 2 if kind == "MaxPool" else [1, 1]
    size = [d * (k - 1) + 1 + s for d, k, s in zip(dilations, kernel, spare)]
    pads = [(k - 1) // 2 if padded else 0 for k in kernel] * 2
    attributes = {"kernel_shape": kernel, "strides": strides, "pads": pads}
    if kind == "MaxPool":
        attributes |= {"dilations": dilations}
    elif padded:
        attributes |= {"count_include_pad": 1}
    nodes = [quant("x", "q"), node(kind, "q", **attributes)]
    if not codes:
        nodes = [node(kind, **attributes)]
    shape = (2, 3, *size)
    module = check(model(nodes, shape, QUANT), integers(1, *shape, low=-9, high=9))
    if codes and kind == "AveragePool":
        assert op_names(module).index("avg_pool") < op_names(module).index("requantize")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["MaxPool", "AveragePool"]),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    spare=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    pads=st.tuples(*[st.integers(0, 3)] * 4),
    counted=st.booleans(),
    up=st.booleans(),
    auto=st.sampled_from(["NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]),
    codes=st.booleans(),
)
def test_borders(kind, kernel, spare, strides, pads, counted, up, auto, codes):
    """Outputs that end outside, means of what lies inside, and all kinds of padding."""
    size = [k + s for k, s in zip(kernel, spare)]
    if "SAME" in auto:  # onnxruntime has no SAME of windows that leave pixels out
        strides = [min(s, k) for s, k in zip(strides, kernel)]
    attributes = {"kernel_shape": kernel, "strides": strides, "ceil_mode": int(up)}
    if auto == "NOTSET":
        attributes |= {"pads": [min(p, k - 1) for p, k in zip(pads, (*kernel, *kernel))]}
    else:
        attributes |= {"auto_pad": auto}
    if kind == "AveragePool":
        attributes |= {"count_include_pad": int(counted)}
    made = node(kind, "q" if codes else "x", **attributes)
    nodes = quantized() if codes else []
    constants = {"s": np.float32(0.5), "z": np.array(0, np.int8)} if codes else {}
    proto = model([*nodes, made], (2, 3, *size), constants)
    check(proto, integers(1, 2, 3, *size, low=-9, high=9), tolerance=1e-6)


def quantized():
    """Codes as onnxruntime knows them."""
    return [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["c"]),
        helper.make_node("DequantizeLinear", ["c", "s", "z"], ["q"]),
    ]


def test_means_of_what_lies_inside_run_on_the_machine():
    """Sums of codes, each by its own count: bits of the reference, in code too."""
    made = node("AveragePool", "q", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    proto = model(
        [*quantized(), made], (1, 3, 6, 5), {"s": np.float32(0.1), "z": np.array(0, np.int8)}
    )
    program = lowbit.import_model(proto.SerializeToString())
    x = integers(8, 1, 3, 6, 5, low=-9, high=9)
    np.testing.assert_array_equal(lowbit.compile(program)(x), lowbit.reference(program, x))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 7)])
@pytest.mark.parametrize("codes", [False, True])
def test_global_max(codes, shape):
    made = node("GlobalMaxPool", "q" if codes else "x")
    proto = model([quant("x", "q"), made] if codes else [made], shape, QUANT)
    module = check(proto, integers(3, *shape))
    names = op_names(module)
    assert not codes or names.index("max_pool") < names.index("requantize")


@pytest.mark.parametrize("zero", [0.0, 3.0])
def test_global_average_of_codes_is_an_exact_sum(zero):
    nodes = [quant("x", "q"), node("GlobalAveragePool", "q")]
    proto = model(nodes, (2, 3, 4, 5), QUANT | {"zero": zero})
    module = check(proto, integers(2, 2, 3, 4, 5))
    assert "divisor = 1" in str(module)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "AveragePool"])
@pytest.mark.parametrize("size", [(1, 7), (2, 7), (3, 5), (4, 7), (6, 5), (8, 7), (4, 4)])
def test_means_are_divided_as_in_the_file(op, size):
    """Every sum of codes, and its ties, through the mean and the quantiser after it."""
    count = size[0] * size[1]
    sums = np.arange(7 * count + 1)
    shape = (1, len(sums), *size)
    x = (sums[:, None] // count + (np.arange(count) < sums[:, None] % count)).reshape(shape)
    attributes = {"kernel_shape": size} if op == "AveragePool" else {}
    pool = helper.make_node(op, ["q"], ["p"], "pool", **attributes)
    nodes = [quant("x", "q"), pool, quant("p", "y")]
    values = QUANT | {"scale": 1.0}
    module = check(model(nodes, shape, values), x.astype(np.float32))
    assert ("div" in op_names(module)) == (count != 16)
    check(model([nodes[0], node(op, "q", **attributes)], shape, values), x.astype(np.float32))


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2]])
def test_reduce_mean_over_the_image_is_a_global_average(axes, keepdims):
    mean = helper.make_node("ReduceMean", ["q", "axes"], ["y"], keepdims=keepdims)
    proto = model([quant("x", "q"), mean], (2, 3, 4, 5), QUANT | {"axes": np.array(axes)})
    module = check(proto, integers(6, 2, 3, 4, 5), tolerance=1e-6)
    assert "divisor = 1" in str(module)
    old = helper.make_node("ReduceMean", ["x"], ["y"], axes=axes, keepdims=keepdims)
    check(model([old], (2, 3, 4, 5), opset=13), integers(7, 2, 3, 4, 5), tolerance=1e-6)


def test_max_pool_of_sums_stays_integer():
    nodes = [
        quant("x", "q"),
        quant("w", "wq"),
        helper.make_node("Conv", ["q", "wq", "b"], ["c"]),
        node("MaxPool", "c", kernel_shape=[2, 2]),
    ]
    constants = QUANT | {"w": integers(3, 4, 2, 2, 2), "b": [1.0, 2.0, 3.0, 4.0]}
    module = check(model(nodes, (1, 2, 5, 5), constants), integers(4, 1, 2, 5, 5))
    assert op_names(module)[-4:] == ["conv2d", "max_pool", "requantize", "transpose"]


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
def test_auto_pad(auto_pad):
    made = node("MaxPool", kernel_shape=[3, 2], strides=[2, 2], auto_pad=auto_pad)
    check(model([made], (1, 2, 6, 7)), integers(5, 1, 2, 6, 7))


@pytest.mark.parametrize(
    "made,shape,message",
    [
        (node("MaxPool"), (1, 1, 4, 4), "attribute 'kernel_shape' is missing"),
        (node("MaxPool", kernel_shape=[2]), (1, 4), "takes images of rank 4, or 3"),
        (node("MaxPool", kernel_shape=[2]), (1, 1, 4, 4), "that of one dimension"),
        (node("MaxPool", kernel_shape=[9, 9]), (1, 1, 4, 4), "the output is empty"),
        (
            node("MaxPool", kernel_shape=[1, 1], pads=[1, 1, 1, 1]),
            (1, 1, 4, 4),
            "covers at least one position",
        ),
        (node("MaxPool", kernel_shape=[2, 2], strides=[0, 1]), (1, 1, 4, 4), "at least 1"),
        (node("MaxPool", kernel_shape=[2, 2], pads=[-1, 0, 0, 0]), (1, 1, 4, 4), "not negative"),
        (node("MaxPool", kernel_shape=[2, 2], auto_pad="LEFT"), (1, 1, 4, 4), "auto_pad is one of"),
        (
            node("AveragePool", kernel_shape=[1, 1], pads=[1, 1, 1, 1]),
            (1, 1, 4, 4),
            "padding alone",
        ),
        (node("AveragePool", kernel_shape=[2, 2], dilations=[2, 2]), (1, 1, 4, 4), "has dilations"),
    ],
)
def test_refusals(made, shape, message):
    with pytest.raises(ImportFailed, match=f"{made.op_type} 'pool': .*{message}"):
        imported(model([made], shape))


def test_the_indices_of_a_max_pool_are_refused():
    made = helper.make_node("MaxPool", ["x"], ["y", "i"], "pool", kernel_shape=[2, 2])
    with pytest.raises(ImportFailed, match="its second output"):
        imported(model([made], (1, 1, 4, 4)))


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("axis", [1, 3])
def test_scales_along_any_axis(op, axis):
    scale = np.exp2(np.arange(4)).astype(np.float32)
    constants = {"scale": scale.reshape([4 if a == axis else 1 for a in range(4)])}
    pool = helper.make_node(op, ["q"], ["y"], kernel_shape=[2, 2])
    proto = model([quant("x", "q"), pool], (1, 4, 3, 4), {**constants, "zero": 0.0, "bits": 4.0})
    check(proto, integers(1, 1, 4, 3, 4, low=-60, high=60))
