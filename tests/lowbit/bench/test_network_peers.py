"""A network beside onnxruntime: what it is given is plain ONNX of the same topology."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from lowbit.bench import network_peers
from lowbit.bench.network_peers import beside, variant

DIGITS = Path(__file__).parents[3] / "examples" / "digits"
MODEL = str(DIGITS / "digits_w2a2.onnx")


def image(index: int) -> np.ndarray:
    with np.load(DIGITS / "digits_1797.npz", allow_pickle=False) as data:
        return data["images"][index].astype(np.float32)[None, None] / np.float32(16)


@pytest.mark.parametrize("precision", ["f32", "i8"])
def test_a_variant_is_plain_onnx(precision: str) -> None:
    model = onnx.load_from_string(variant(MODEL, precision))
    onnx.checker.check_model(model)
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    ops = [node.op_type for node in model.graph.node]
    original = [node.op_type for node in onnx.load(MODEL).graph.node]
    assert ops.count("Conv") == original.count("Conv") > 0
    assert ops.count("DequantizeLinear") == (precision == "i8") * original.count("Quant")
    assert ops.count("BatchNormalization") == (precision == "f32") * 3
    # What else is given could be anything, and is not folded.
    assert [one.name for one in model.graph.input] == ["input"]
    assert ReferenceEvaluator(model).run(None, {"input": image(0)})[0].shape == (1, 10)


def test_batch_norms_go_into_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of either sign: what they make of sums is the same but for rounding."""
    proto, random = onnx.load(MODEL), np.random.default_rng(0)
    gammas = {n.input[1] for n in proto.graph.node if n.op_type == "BatchNormalization"}
    for one in proto.graph.initializer:
        if one.name in gammas:
            values = onnx.numpy_helper.to_array(one) * random.choice((-1, 1), one.dims[0])
            one.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), one.name))
    onnx.save(proto, source := str(tmp_path / "signs.onnx"))
    found: list[np.ndarray] = []
    for _ in range(2):
        model = onnx.load_from_string(variant(source, "i8"))
        found.append(ReferenceEvaluator(model).run(None, {"input": image(0)})[0])
        monkeypatch.setattr(network_peers, "_without_norms", lambda onnx, graph, known: graph.node)
    assert np.allclose(*found, rtol=1e-3, atol=1e-3) and np.ptp(found[0]) > 1


def test_what_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(model: bytes) -> None:
        raise ModuleNotFoundError(name="abacus")

    monkeypatch.setattr(network_peers, "_session", missing)
    skipped: dict[str, str] = {}
    assert beside(MODEL, {"input": image(0)}, skipped) == []
    assert skipped["onnxruntime i8"] == "onnxruntime i8 is skipped: abacus is not installed"


@pytest.mark.skipif(find_spec("onnxruntime") is None, reason="no onnxruntime")
def test_onnxruntime_is_timed() -> None:
    found = beside(MODEL, {"input": image(0)}, {})
    assert [one.precision for one in found] == ["f32", "i8"] and all(one.time_us for one in found)
