"""MultiThreshold against qonnx, on integers and on f32."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx_oracle import QONNX, check, imported, integers, model, op_names, quant

from lowbit_dialect.importers import ImportFailed
from lowbit_dialect.importers.onnx_thresholds import smallest_reaching

QUANT = {"scale": 0.3, "zero": 0.0, "bits": 4.0}


def multi_threshold(x: str, **attributes: object):
    """A MultiThreshold node to `y`."""
    full = {"out_dtype": "UINT8", **attributes}
    return helper.make_node("MultiThreshold", [x, "t"], ["y"], "mt", domain=QONNX, **full)


STORED = [
    (1, 1.0, 0.0, "uint<1>"),
    (1, 2.0, -1.0, "odd<1>"),
    (3, 0.5, 0.0, "uint<2>"),
    (3, 1.0, -2.0, "int<2>"),
    (2, 1.0, -1.0, "ternary"),
    (3, 1.0, -1.5, "odd<2>"),
    (5, 1.0, 0.0, "uint<3>"),
    (7, 0.5, 1.0, "uint<3>"),
    (3, 1.0, 0.3, "uint<2>"),
    (3, 1.0, -2.5, "uint<2>"),
]


@pytest.mark.parametrize("steps,scale,bias,code", STORED)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("source", ["float", "sums", "codes"])
def test_counts(steps, scale, bias, code, channels, source):
    nodes = [multi_threshold("x", out_scale=scale, out_bias=bias)]
    constants = {"t": np.sort(integers(1, channels, steps, low=-9, high=9), axis=1) / 2}
    if source != "float":
        constants |= QUANT | {"w": integers(2, 3, 2, 1, 1) if source == "sums" else None}
        nodes = [quant("x", "q"), multi_threshold("q", out_scale=scale, out_bias=bias)]
    if source == "sums":
        constants["scale"] = 0.5
        nodes[1].input[0] = "c"
        nodes[1:1] = [quant("w", "wq"), helper.make_node("Conv", ["q", "wq", "b"], ["c"])]
        constants["b"] = [0.5, -1.0, 0.0]
    constants = {name: value for name, value in constants.items() if value is not None}
    shape = (2, 2 if source == "sums" else 3, 4, 5)
    module = check(model(nodes, shape, constants), integers(3, *shape, low=-9, high=9) / 2)
    assert f"!lowbit.{code}>" in str(module)
    if source != "float":
        assert op_names(module).count("threshold") == 1


@pytest.mark.parametrize("steps", [2, 3])
def test_infinities_and_their_thresholds(steps):
    """An infinity reaches its own threshold; what overflows in a difference does not reach -inf's side."""
    ends = [[-np.inf, 0.0, np.inf], [-3e38, 3e38, np.inf], [-np.inf, -np.inf, 3e38]]
    constants = {"t": np.array([row[:steps] for row in ends], np.float32)}
    numbers = [np.inf, -np.inf, -0.0, 3e38, -3e38, 3.4e38, -3.4e38, np.nan]
    values = np.array(numbers, np.float32)
    proto = model([multi_threshold("x")], (1, 3, 8, 1), constants)
    module = check(proto, np.broadcast_to(values.reshape(1, 1, 8, 1), (1, 3, 8, 1)).copy())
    assert op_names(module).count("threshold") == 1


@pytest.mark.parametrize("layout,channels", [("NHWC", 5), ("NCHW", 3), ("", 3)])
def test_layouts(layout, channels):
    constants = {"t": np.sort(integers(4, channels, 3), axis=1)}
    proto = model([multi_threshold("x", data_layout=layout)], (1, 3, 4, 5), constants)
    check(proto, integers(5, 1, 3, 4, 5))


def test_an_offset_of_whole_steps_to_within_an_f32_step_makes_codes():
    node = multi_threshold("x", out_dtype="INT4", out_scale=0.1, out_bias=-0.7)
    proto = model([node], (1, 40), {"t": [list(range(14))]})
    module = check(proto, np.arange(-20, 20, dtype=np.float32).reshape(1, -1), 1e-7)
    assert op_names(module)[-2:] == ["add", "requantize"] and "!lowbit.uint<4>" in str(module)


@pytest.mark.parametrize("rows", [1, 3])
def test_channels_on_another_axis_of_the_same_extent(rows):
    nodes = [quant("x", "q"), quant("w", "wq"), helper.make_node("Conv", ["q", "wq", "b"], ["c"])]
    nodes.append(multi_threshold("c", data_layout="NHWC"))
    constants = QUANT | {"scale": 1.0, "w": integers(2, 3, 2, 1, 1), "b": [0.5, -9.0, 7.0]}
    constants |= {"t": np.sort(integers(1, rows, 3, low=-9, high=9), axis=1)}
    check(model(nodes, (1, 2, 3, 3), constants), integers(3, 1, 2, 3, 3, low=-9, high=9))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    scale=st.floats(2.0**-20, 2.0**10, width=32),
    bias=st.floats(-(2.0**10), 2.0**10, width=32),
    threshold=st.floats(-(2.0**30), 2.0**30, width=32),
)
def test_integer_thresholds_are_the_smallest_that_reach(scale, bias, threshold):
    tables = [np.array([v], np.float32) for v in (scale, bias)]
    limit = np.array([[threshold]], np.float32)
    (found,) = smallest_reaching(*tables, limit)[0]

    def reached(v: int) -> bool:
        return bool(np.float32(v) * tables[0][0] + tables[1][0] >= limit[0, 0])

    assert found == 2**31 - 1 or reached(found)
    assert found == -(2**31) or not reached(found - 1)


@pytest.mark.parametrize("bias", [0.5, 3.0, -5.0])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 0, 2, 1)])
def test_codes_none_of_which_is_zero_before_a_conv(bias, pads):
    counted = multi_threshold("x", out_scale=0.5, out_bias=bias)
    counted.output[0] = "q"
    nodes = [counted, helper.make_node("Conv", ["q", "w"], ["y"], pads=pads)]
    signs = np.sign(integers(1, 2, 2, 3, 3) - 0.5).astype(np.float32)
    constants = {"t": [[-1.0, 0.0, 2.0]], "w": signs}
    check(model(nodes, (1, 2, 4, 4), constants), integers(2, 1, 2, 4, 4))


def test_thresholds_out_of_reach():
    limits = np.array([[-np.inf, np.inf]], np.float32)
    got = smallest_reaching(np.ones(1, np.float32), np.zeros(1, np.float32), limits)
    assert got.tolist() == [[-(2**31), 2**31 - 1]]


@pytest.mark.parametrize(
    "attributes,shape,message",
    [
        ({"out_scale": -1.0}, (1, 3), "out_scale is greater than 0"),
        ({}, (2, 3), r"thresholds of shape \[2, 3\] are not \[1 or 4, steps\]"),
        ({}, (1, 256), "has 256 thresholds a channel"),
        ({"data_layout": "NDHWC"}, (1, 3), "data_layout 'NDHWC' has no channels"),
    ],
)
def test_refusals(attributes, shape, message):
    proto = model([multi_threshold("x", **attributes)], (1, 4), {"t": np.zeros(shape, np.float32)})
    with pytest.raises(ImportFailed, match="MultiThreshold 'mt': .*" + message):
        imported(proto)
