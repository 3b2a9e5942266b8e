"""Small ONNX models, and what onnxruntime and qonnx say that they compute."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block

from lowbit_dialect import reference
from lowbit_dialect.importers import import_onnx
from lowbit_dialect.layout import Array

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import onnxruntime
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

QONNX = "qonnx.custom_op.general"


def quant(
    x: str,
    y: str,
    scale: str = "scale",
    zero: str = "zero",
    bits: str = "bits",
    **attributes: Any,
) -> onnx.NodeProto:
    """A QONNX Quant node."""
    full = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **attributes}
    return helper.make_node("Quant", [x, scale, zero, bits], [y], y, domain=QONNX, **full)


def model(
    nodes: Sequence[onnx.NodeProto],
    shape: Sequence[int | str],
    constants: Mapping[str, Any] = {},
    outputs: Sequence[str] = ("y",),
    opset: int = 20,
) -> onnx.ModelProto:
    """A model with the f32 input `x`; constants of Python numbers and lists are f32."""
    kept = [
        numpy_helper.from_array(
            value if isinstance(value, np.ndarray) else np.asarray(value, np.float32), name
        )
        for name, value in constants.items()
    ]
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", float32, shape)],
        [helper.make_tensor_value_info(name, float32, None) for name in outputs],
        kept,
    )
    domains = [helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 2)]
    return helper.make_model(graph, opset_imports=domains, ir_version=10)


def imported(proto: onnx.ModelProto) -> ModuleOp:
    """The module of a model."""
    return import_onnx(proto.SerializeToString())


def block_of(module: ModuleOp) -> Block:
    """The body of `@main`."""
    main = next(iter(module.ops))
    assert isinstance(main, FuncOp) and main.sym_name.data == "main"
    return main.body.block


def op_names(module: ModuleOp) -> list[str]:
    """The ops of `@main` but constants and the return, short."""
    names = [op.name.removeprefix("lowbit.") for op in block_of(module).ops]
    return [name for name in names if name not in ("constant", "func.return")]


def expected(proto: onnx.ModelProto, x: Array) -> Array:
    """Output `y` by onnxruntime, or by qonnx where the model has its nodes."""
    if any(node.domain == QONNX for node in proto.graph.node):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = ModelWrapper(proto).transform(InferShapes())
            return execute_onnx(whole, {"x": x})["y"]
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    return session.run(["y"], {"x": x})[0]


def check(proto: onnx.ModelProto, x: Array, tolerance: float = 0.0) -> ModuleOp:
    """Import, run, and compare with the oracle, by default for equality of every element."""
    module = imported(proto)
    (got,) = reference.run(module, x)
    want = expected(proto, x)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    return module


def integers(seed: int, *shape: int, low: int = -3, high: int = 3) -> Array:
    """Integers as f32."""
    values = np.random.default_rng(seed).integers(low, high + 1, shape)
    return values.astype(np.float32)
