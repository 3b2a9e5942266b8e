"""A QONNX network in onnxruntime, on one thread: in f32 without its quantisers, and in int8.

In int8 each `Quant` becomes a QuantizeLinear and a DequantizeLinear of its scale, which onnxruntime fuses
with what is between them; weights are int8 constants, with batch norms in them as its own quantiser leaves
them. Results are not the network's own, as codes of fewer bits are not cut: what is compared is the time of
the same topology. Extra `peers`; loaded when asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

from autotune.machine import pin_core, time_repeated
from lowbit.bench.benchmark import PEER_ROUNDS, PeerTime, microseconds
from lowbit.bench.peers import kept_affinity
from lowbit.bench.timing import repetitions
from lowbit_dialect.layout import Array

_QUANTISERS = "Quant", "IntQuant", "BipolarQuant"


def beside(source: str, inputs: Mapping[str, Array], skipped: dict[str, str]) -> list[PeerTime]:
    """Time a model on inputs in both, in turn; what cannot be leaves a sentence in `skipped`."""
    calls: dict[str, Any] = {}
    with pin_core(), kept_affinity():
        for precision in ("f32", "i8"):
            named = f"onnxruntime {precision}"
            try:
                session = _session(variant(source, precision))
                calls[precision] = lambda session=session: session.run(None, dict(inputs))
                calls[precision]()
            except Exception as error:
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                if isinstance(error, ImportError):
                    reason = f"{error.name} is not installed"
                skipped[named] = f"{named} is skipped: {reason[:200]}"
                calls.pop(precision, None)
        counts = [repetitions(call) for call in calls.values()]
        times: list[list[float]] = [[] for _ in calls]
        for _ in range(PEER_ROUNDS):
            for call, count, samples in zip(calls.values(), counts, times):
                samples.append(time_repeated(call, count))
    return [
        PeerTime("onnxruntime", name, microseconds(median(one)), microseconds(max(one) - min(one)))
        for name, one in zip(calls, times)
    ]


def _session(model: bytes) -> Any:
    ort: Any = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def variant(source: str, precision: str) -> bytes:
    """A model without its quantisers (`f32`), or with those of ONNX in their place (`i8`)."""
    onnx: Any = import_module("onnx")
    proto = onnx.load(source)
    graph, known, kept = proto.graph, _known(onnx, proto.graph), list[Any]()
    given = [one for one in graph.input if one.name not in known]  # what is given is not folded
    for node in _without_norms(onnx, graph, known) if precision == "i8" else graph.node:
        if node.op_type not in _QUANTISERS:
            kept.append(node)
        elif precision == "f32":
            kept.append(onnx.helper.make_node("Identity", node.input[:1], node.output))
        else:
            kept += _as_onnx(onnx, graph, node, known)
    del graph.node[:], graph.input[:], graph.value_info[:], graph.quantization_annotation[:]
    graph.node.extend(kept)
    graph.input.extend(given)
    return proto.SerializeToString()


def _known(onnx: Any, graph: Any) -> dict[str, Array]:
    """What initializers and `Constant` nodes hold."""
    to_array = onnx.numpy_helper.to_array
    known = {one.name: to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            known[node.output[0]] = to_array(node.attribute[0].t)
    return known


def _without_norms(onnx: Any, graph: Any, known: dict[str, Array]) -> list[Any]:
    """The nodes of a graph, where weights and biases of convolutions have the batch norms behind them."""
    made: dict[str, Any] = {name: node for node in graph.node for name in node.output}
    kept: list[Any] = []
    uses = Counter(name for node in graph.node for name in node.input)
    for node in graph.node:
        sums: Any = made.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        quant: Any = (
            made.get(sums.input[1]) if sums is not None and sums.op_type == "Conv" else None
        )
        if (
            sums is None
            or quant is None
            or quant.op_type not in _QUANTISERS
            or quant.input[0] not in known
            or not uses[quant.output[0]] == uses[node.input[0]] == 1
        ):
            kept.append(node)
            continue
        gamma, beta, mean, variance = (known[name].astype(np.float32) for name in node.input[1:5])
        marks: dict[str, float] = {one.name: one.f for one in node.attribute}
        gain = gamma / np.sqrt(variance + np.float32(marks.get("epsilon", 1e-5)))
        bias = known[sums.input[2]] if len(sums.input) > 2 else np.float32(0)
        rows = np.where(gain == 0, np.float32(1), gain).reshape(-1, 1, 1, 1)
        of = node.output[0]
        known[f"{of}.w"] = known[quant.input[0]] * rows
        known[f"{of}.scale"] = known[quant.input[1]] * abs(rows)
        quant.input[0], quant.input[1] = f"{of}.w", f"{of}.scale"
        row = (beta + (bias - mean) * gain).astype(np.float32)
        graph.initializer.append(onnx.numpy_helper.from_array(row, f"{of}.bias"))
        sums.input[2:] = [f"{of}.bias"]
        sums.output[0] = of
    return kept


def _as_onnx(onnx: Any, graph: Any, node: Any, known: Mapping[str, Array]) -> list[Any]:
    """A quantiser as QuantizeLinear and DequantizeLinear; of known values the second alone."""
    name, marks = node.output[0], {one.name: one.i for one in node.attribute}
    scale = known[node.input[1]].astype(np.float32)
    kind = np.int8 if marks.get("signed", 1) else np.uint8
    varying = [axis for axis, extent in enumerate(scale.shape) if extent > 1]
    axis = {"axis": varying[0]} if varying else {}
    row = scale.ravel() if varying else scale.ravel()[0]
    tables = {"scale": row, "zero": np.zeros(row.shape, kind)}
    if (values := known.get(node.input[0])) is not None:
        limits = np.iinfo(kind)
        tables["codes"] = np.clip(np.rint(values / scale), limits.min, limits.max).astype(kind)
    for what, table in tables.items():
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(table), f"{name}.{what}"))
    rows, make = [f"{name}.scale", f"{name}.zero"], onnx.helper.make_node
    after = make("DequantizeLinear", [f"{name}.codes", *rows], [name], **axis)
    if values is not None:
        return [after]
    return [make("QuantizeLinear", [node.input[0], *rows], [f"{name}.codes"], **axis), after]
