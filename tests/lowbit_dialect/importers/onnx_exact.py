"""ONNX graphs in exact rational arithmetic, beside how far f32 may lie from it.

`argue` walks a graph along with what a program made of it. Each value is a fraction with a bound on what f32
rounding, in any order of a sum, can add. A quantiser must decide as the fractions do, or stand so near the
boundary between two codes that f32 can decide either way: a tie. From there on its own decision counts.
Shares no code with what it judges.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_fractions import EPS, OUTSIDE, Array, Exact, floats
from onnx_meanings import Meanings

MOVES = (
    *(
        "Identity",
        "Dropout",
        "Reshape",
        "Flatten",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Slice",
        "Split",
    ),
    *("Pad", "Resize", "Concat", "DepthToSpace", "Expand", "Tile", "Gather"),
)


class Walk(Meanings):
    """Values of one graph, node after node; `decided` holds what a program's quantisers gave."""

    def __init__(self, proto: onnx.ModelProto, x: Array, decided: Mapping[str, Array]) -> None:
        self.decided = decided
        self.ties = 0
        self.env = {"x": Exact.of(x)}
        for tensor in proto.graph.initializer:
            self.env[tensor.name] = Exact.of(numpy_helper.to_array(tensor))
        self.opset = max(o.version for o in proto.opset_import if o.domain == "")

    def node(self, node: onnx.NodeProto) -> None:
        given = [self.env[name] for name in node.input if name]
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type in MOVES:
            for name, value in zip(node.output, self.move(node, given)):
                self.env[name] = value
            return
        method = getattr(self, f"on_{node.op_type}")
        result: Exact = method(given, attributes)
        name = node.output[0]
        if name in self.decided:
            result = self.decide(name, result)
        self.env[name] = result

    def decide(self, name: str, right: Exact) -> Exact:
        """Take what the program decided, which is right or a tie."""
        got = self.decided[name]
        assert got.shape == right.values.shape, f"{name}: {got.shape}, not {right.values.shape}"
        want = floats(right.values)
        differs = np.abs(got.astype(float) - want) > right.slack + 4 * EPS * np.abs(want)
        if differs.any():
            wrong = differs if right.tied is None else differs & ~right.tied
            at = tuple(int(i[0]) for i in np.nonzero(wrong)) if wrong.any() else ()
            assert not at, f"{name}{list(at)}: {got[at]}, not {want[at]}, which is no tie"
            self.ties += int(differs.sum())
        return Exact.of(got, EPS * np.abs(got))

    def move(self, node: onnx.NodeProto, given: list[Exact]) -> list[Exact]:
        """Where each element comes from, found by moving its place."""
        count = len(node.input) if node.op_type == "Concat" else 1
        places, start = [], 0
        for one in given[:count]:
            places.append(
                np.arange(start, start + one.values.size, dtype=np.float32).reshape(
                    one.values.shape
                )
            )
            start += one.values.size
        feeds = dict(zip(node.input, places))
        known = {}
        for name, one in list(zip([n for n in node.input if n], given))[count:]:
            kind = np.float32 if node.op_type == "Resize" else np.int64
            known[name] = one.values.astype(float).astype(kind)
        outside = given[2] if node.op_type == "Pad" and len(given) > 2 else Exact.of(np.zeros(()))
        if node.op_type == "Pad":
            known["outside"] = np.float32(OUTSIDE)
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if node.op_type == "Pad":
            copy.input[:] = [node.input[0], node.input[1], "outside"]
        info = lambda n: helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None)  # noqa: E731
        graph = helper.make_graph(
            [copy],
            "move",
            [info(name) for name in feeds],
            [info(name) for name in node.output],
            [numpy_helper.from_array(np.asarray(v), n) for n, v in known.items()],
        )
        single = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        moved = ReferenceEvaluator(single).run(None, feeds)
        values = np.concatenate(
            [*(g.values.ravel() for g in given[:count]), outside.values.ravel()[:1]]
        )
        slack = np.concatenate([*(g.slack.ravel() for g in given[:count]), [0.0]])
        return [Exact(values[np.asarray(m, int)], slack[np.asarray(m, int)]) for m in moved]


def quantised(proto: onnx.ModelProto) -> list[str]:
    """The tensors that come from quantisers of what the graph computes."""
    computed, found = {"x"}, list[str]()
    for node in proto.graph.node:
        if not computed & set(node.input):
            continue
        computed |= set(node.output)
        if node.op_type in (
            "Quant",
            "BipolarQuant",
            "MultiThreshold",
            "Trunc",
            "DequantizeLinear",
            "Sign",
        ):
            found.append(node.output[0])
    return found


def with_outputs(proto: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    """The model with these tensors as outputs before `y`."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    last = copy.graph.output.pop()
    for name in names:
        copy.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    copy.graph.output.append(last)
    return copy


def argue(proto: onnx.ModelProto, x: Array, decided: Mapping[str, Array], y: Array) -> int:
    """How many decisions of a program were ties.

    `decided` is what its quantisers gave, by the names of `quantised`, and `y` what it gave in the end.
    Raises AssertionError for a decision that is wrong and no tie, or a result that f32 cannot give.
    """
    walk = Walk(proto, x, decided)
    types = {t.name: t.data_type for t in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "QuantizeLinear":
            walk.signed = types[node.input[2]] == onnx.TensorProto.INT8
        walk.node(node)
    right = walk.env["y"]
    gap = np.abs(floats(y) - floats(right.values))
    wrong = gap > right.slack + 2.0**-140
    if wrong.any():
        at = tuple(int(i[0]) for i in np.nonzero(wrong))
        raise AssertionError(
            f"y{list(at)}: {y[at]}, not {float(right.values[at])} within {right.slack[at]}"
        )
    return walk.ties
