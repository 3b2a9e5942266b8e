"""Import a QONNX or ONNX model: symbolic execution of its nodes over tensors that carry their meaning.

Integers stay integers: a Quant gives codes with a scale, a Conv of codes with codes their i32 sums, and
what follows in f32 starts with a `lowbit.requantize`. Images are stored NHWC from the first op that looks
at pixels; an input of one channel is reshaped, any other transposed. Flattened images keep that order and
the weights of the layer after follow. Nothing is rearranged or fused: that is `lowbit-fuse`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.importers import (
    onnx_binary,
    onnx_elementwise,
    onnx_functions,
    onnx_linear,
    onnx_pools,
    onnx_qcdq,
    onnx_quantisers,
    onnx_shapes,
    onnx_thresholds,
)
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_file import CORE, read_model
from lowbit_dialect.importers.onnx_model import Constant, ImportFailed, Model, Node, shown
from lowbit_dialect.importers.onnx_tensor import Tensor, Value
from lowbit_dialect.names import NAME, identifier, name_attribute

Handler = Callable[[Builder, Node], Value]

CORE_OPS: dict[str, Handler] = {
    **onnx_binary.OPS,
    **onnx_elementwise.OPS,
    **onnx_functions.OPS,
    **onnx_linear.OPS,
    **onnx_pools.OPS,
    **onnx_qcdq.OPS,
    **onnx_shapes.OPS,
}
QONNX_OPS: dict[str, Handler] = {**onnx_quantisers.QONNX_OPS, **onnx_thresholds.QONNX_OPS}
QONNX = ("qonnx.custom_op.general", "finn.custom_op.general")
OPS: dict[str, dict[str, Handler]] = {
    **dict.fromkeys(CORE, CORE_OPS),
    **dict.fromkeys(QONNX, QONNX_OPS),
}

TAKE_PADDING = ("Conv", "Quant", "IntQuant", "QuantizeLinear")
"""Ops that a Pad may stand before."""


def import_onnx(source: str | Path | bytes) -> ModuleOp:
    """A module with one function `@main` that means what the model of a file, or its bytes, means.

    Its arguments and results are f32 in the shapes of the ONNX inputs and outputs (images NCHW). Raises
    ImportFailed, with one sentence, for anything that cannot be imported.
    """
    model = read_model(source)
    builder = Builder(model.constants)
    for name, shape in model.inputs.items():
        argument = builder.block.insert_arg(TensorType(f32, shape), len(builder.block.args))
        argument.name_hint = identifier(name)
        builder.values[name] = Tensor.plain(argument, shape)
    with np.errstate(all="ignore"):
        for node in model.nodes:
            execute(builder, node)
        return finish(builder, model)


def execute(b: Builder, node: Node) -> None:
    """Run one node."""
    handler = OPS.get(node.domain, {}).get(node.op)
    if handler is None:
        known = ", ".join(sorted(OPS[node.domain])) if node.domain in OPS else "ONNX and QONNX ops"
        raise node.fail(f"is not imported from domain {shown(node.domain)}; those are {known}")
    if not node.outputs or node.outputs[0] in b.values or not node.outputs[0]:
        raise node.fail("its output has no name, or one that is taken")
    for name in node.inputs:
        source = b.values.get(name)
        if isinstance(source, Tensor) and any(source.pads) and node.op not in TAKE_PADDING:
            raise node.fail("stands after a Pad; only Conv, or a Quant before one, does")
    result = handler(b, node)
    if isinstance(result, Constant):
        b.spend(node, "known", result.values.size)
    b.values[node.outputs[0]] = result


def finish(b: Builder, model: Model) -> ModuleOp:
    """Return the outputs as f32 in ONNX order, and wrap the block in a function."""
    results: list[SSAValue] = []
    for name in model.outputs:
        end = Node("output", "", name, (name,), (name,), {})
        if isinstance(b.values.get(name), Constant):
            raise end.fail("is known without running the model, so there is nothing to compile")
        x = b.tensor(end)
        if any(x.pads):
            raise end.fail("is the result of a Pad; only Conv, or a Quant before one, follows it")
        results.append(b.row_major(end, b.to_float(end, x)).value)
    b.block.add_op(ReturnOp(*results))
    arguments = [argument.type for argument in b.block.args]
    main = FuncOp(
        "main",
        (arguments, [value.type for value in results]),
        Region(b.block),
        arg_attrs=named(model.inputs),
        res_attrs=named(model.outputs),
    )
    module = ModuleOp([main])
    try:
        module.verify()
    except VerifyException as error:
        raise ImportFailed(f"the imported module does not verify: {error}") from error
    return module


def named(names: Iterable[str]) -> ArrayAttr[DictionaryAttr]:
    """The names of the file on arguments or results."""
    return ArrayAttr(DictionaryAttr({NAME: name_attribute(name)}) for name in names)
