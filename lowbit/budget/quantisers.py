"""What of a QONNX model can have fewer bits: its quantisers of weights and of activations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from lowbit.budget.scales import Rounded, rounded
from lowbit_dialect.importers.onnx_model import Constant, Model, Node
from lowbit_dialect.importers.onnx_quantisers import quant_bounds
from lowbit_dialect.layout import Array

Bits = Mapping[int, int]
"""Of quantisers by their place among the nodes; of those that are not named, as the file has it."""


@dataclass(frozen=True)
class Quantiser:
    """A `Quant` of up to 8 bits without a zero point."""

    at: int
    """Its place among the nodes."""
    reads: str
    """What it rounds."""
    bits: int
    weights: Array | None
    """What it rounds, if that is known: of few axes at least two."""
    by_channel: bool
    """Whether each output channel of its weights can have a scale: those of a Conv."""
    signed: bool
    narrow: bool

    def rounded(self, bits: int, values: Array) -> Rounded:
        """The scale for so many bits that is best for values, and the error."""
        bounds = quant_bounds(bits, self.signed, self.narrow)
        return rounded(values, bounds, by_channel=self.by_channel)


def quantisers_of(model: Model) -> Iterator[Quantiser]:
    """All of a model that can have fewer bits than they have, in order."""
    known = constants_of(model)
    filters = {node.inputs[1] for node in model.nodes if node.op == "Conv" and len(node.inputs) > 1}
    for at, node in enumerate(model.nodes):
        if node.op not in ("Quant", "IntQuant") or len(node.inputs) != 4:
            continue
        scale, zero, bits = (known.get(name) for name in node.inputs[1:])
        if (
            scale is None
            or zero is None
            or bits is None
            or np.any(zero.real)
            or bits.real.size != 1
        ):
            continue
        count, weights = int(bits.real.ravel()[0]), known.get(node.inputs[0])
        # A bias is a row, and bits of it make nothing faster.
        if not 2 < count <= 8 or (weights is not None and len(weights.shape) < 2):
            continue
        yield Quantiser(
            at,
            node.inputs[0],
            count,
            None if weights is None else weights.real.astype(np.float32),
            weights is not None and node.outputs[0] in filters,
            bool(node.integer("signed", 1)),
            bool(node.integer("narrow", 1)),
        )


def constants_of(model: Model) -> dict[str, Constant]:
    """What is known by name: initializers, and what `Constant` nodes hold."""
    made = {
        node.outputs[0]: value
        for node in model.nodes
        if node.op == "Constant" and isinstance(value := node.attributes.get("value"), Constant)
    }
    return {**made, **model.constants}


def with_bits(model: Model, chosen: Mapping[int, tuple[int, Array]]) -> Model:
    """The model with other bits and scales for some quantisers, by their places."""
    nodes, constants = list(model.nodes), dict(model.constants)
    for at, (bits, scale) in chosen.items():
        node = nodes[at]
        names = f"{node.outputs[0]}.scale.{bits}", f"{node.outputs[0]}.bits.{bits}"
        constants[names[0]] = Constant(scale)
        constants[names[1]] = Constant(np.array(bits, np.float32))
        nodes[at] = _reading(node, *names)
    return replace(model, nodes=tuple(nodes), constants=constants)


def _reading(node: Node, scale: str, bits: str) -> Node:
    source, _, zero, _ = node.inputs
    return replace(node, inputs=(source, scale, zero, bits))
