"""Random small ONNX and QONNX graphs, valid by construction, over the ops that are imported.

In an exact graph every number is a multiple of a power of two and small, so that f32 arithmetic rounds
nowhere but where an op says so, and in the same way everywhere: results are equal. In others scales and rows
are any f32, and sums depend on their order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from onnx import helper
from onnx_oracle import model
from onnx_steps import Steps

from lowbit_dialect.layout import Array


@dataclass(frozen=True)
class Graph:
    """A model, arrays for its input `x`, and how it was made."""

    proto: onnx.ModelProto
    inputs: tuple[Array, ...]
    exact: bool
    """Whether results equal an oracle's bit for bit."""

    def __repr__(self) -> str:
        return onnx.printer.to_text(self.proto)[:8000]


@st.composite
def graphs(draw: DrawFn) -> Graph:
    """A graph of a few nodes that ends in the output `y`, and two arrays for `x`."""
    maker = Steps(draw)
    if not maker.chance(6):
        maker.quantise()
    for _ in range(draw(st.integers(1, 6))):
        maker.grow()
        if maker.chance(3):
            maker.quantise()
    maker.nodes.append(helper.make_node("Identity", [maker.x.name], ["y"], "last"))
    proto = model(maker.nodes, maker.start.shape, maker.constants)
    proto.graph.output[0].type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto())
    for extent in maker.x.shape:
        proto.graph.output[0].type.tensor_type.shape.dim.add().dim_value = extent
    inputs = []
    for spread in (4.0, 40.0):
        values = maker.random.uniform(-spread, spread, maker.start.shape)
        values = np.round(values * 8) / 8 if maker.exact else values
        inputs.append(values.astype(np.float32))
    return Graph(proto, tuple(inputs), maker.exact)
