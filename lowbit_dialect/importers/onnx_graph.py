"""Import a QONNX or ONNX model: symbolic execution of its nodes over tensors that carry their meaning.

Integers stay integers: a Quant gives codes with a scale, a Conv of codes with codes their i32 sums, and
what follows in f32 starts with a `lowbit.requantize`. Images are stored NHWC from the first op that looks
at pixels; an input of one channel is reshaped, any other transposed. Flattened images keep that order and
the weights of the layer after follow. Nothing is rearranged or fused: that is `lowbit-fuse`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Region, SSAValue

from lowbit_dialect.codes import parse_code
from lowbit_dialect.importers import (
    onnx_binary,
    onnx_casts,
    onnx_choices,
    onnx_elementwise,
    onnx_functions,
    onnx_linear,
    onnx_moves,
    onnx_norms,
    onnx_pads,
    onnx_pixels,
    onnx_pools,
    onnx_products,
    onnx_qcdq,
    onnx_qlinear,
    onnx_quantisers,
    onnx_rows,
    onnx_shapes,
    onnx_thresholds,
    onnx_trunc,
)
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_file import ANY, CORE, read_model
from lowbit_dialect.importers.onnx_fold import FOLDED
from lowbit_dialect.importers.onnx_model import (
    Constant,
    Extents,
    ImportFailed,
    Model,
    ModelProto,
    Node,
    shown,
)
from lowbit_dialect.importers.onnx_qcdq import integers
from lowbit_dialect.importers.onnx_tensor import Quantised, Tensor, Value
from lowbit_dialect.names import NAME, identifier, name_attribute

Handler = Callable[[Builder, Node], Value | tuple[Value, ...]]
"""Gives the first output of a node, or all of them in order."""
INPUT_ELEMENTS: dict[str, Attribute] = {
    "float32": f32,
    "uint8": parse_code("uint8"),
    "int8": parse_code("int8"),
}

CORE_OPS: dict[str, Handler] = {
    **onnx_binary.OPS,
    **onnx_casts.OPS,
    **onnx_choices.OPS,
    **onnx_elementwise.OPS,
    **onnx_functions.OPS,
    **onnx_linear.OPS,
    **onnx_moves.OPS,
    **onnx_norms.OPS,
    **onnx_pads.OPS,
    **onnx_pixels.OPS,
    **onnx_pools.OPS,
    **onnx_products.OPS,
    **onnx_qcdq.OPS,
    **onnx_qlinear.OPS,
    **onnx_rows.OPS,
    **onnx_shapes.OPS,
}
QONNX_OPS: dict[str, Handler] = {
    **onnx_quantisers.QONNX_OPS,
    **onnx_thresholds.QONNX_OPS,
    **onnx_trunc.QONNX_OPS,
}
MICROSOFT_OPS = {**onnx_qcdq.OPS, **onnx_qlinear.microsoft_ops(CORE_OPS)}
QONNX = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
OPS: dict[str, dict[str, Handler]] = {
    **dict.fromkeys(CORE, CORE_OPS),
    **dict.fromkeys(QONNX, QONNX_OPS),
    "com.microsoft": MICROSOFT_OPS,
}

TAKE_QUANTISED = {"Clip", *onnx_qcdq.OPS, *onnx_qlinear.OPS, *MICROSOFT_OPS}
"""Ops that read a QuantizeLinear before its integers are settled."""
TAKE_PADDING = ("Conv", "Pad", "Quant", "IntQuant", "QuantizeLinear")
"""Ops that take zeros round an image over, or pass them on."""


def import_onnx(source: str | Path | bytes | ModelProto, extents: Extents = ANY) -> ModuleOp:
    """A module with one function `@main` that means what a model means: a file, its bytes, or its proto.

    Its arguments and results have the shapes of the ONNX inputs and outputs (images NCHW), and their
    names. They are f32; 8-bit integers stay what they are. `extents` fills in what the file leaves open.
    Raises ImportFailed, with one sentence, for anything that cannot be imported.
    """
    return import_read(read_model(source, extents))


def import_read(model: Model) -> ModuleOp:
    """The same of a model that was read."""
    builder = Builder(model.constants, model.opset, model.batch)
    for name, one in model.inputs.items():
        type = TensorType(INPUT_ELEMENTS[one.dtype], one.shape)
        argument = builder.block.insert_arg(type, len(builder.block.args))
        argument.name_hint = identifier(name)
        builder.values[name] = Tensor.plain(argument, one.shape)
    with np.errstate(all="ignore"):
        for node in model.nodes:
            execute(builder, node)
        return finish(builder, model)


def execute(b: Builder, node: Node) -> None:
    """Run one node."""
    named = [name for name in node.outputs if name]
    if not named or len(set(named)) < len(named) or not b.values.keys().isdisjoint(named):
        raise node.fail("its output has no name, or one that is taken")
    results = folded(b, node) or computed(b, node)
    for name, result in zip(node.outputs, results):
        if isinstance(result, Constant):
            b.spend(node, "known", result.values.size)
        if name:
            b.values[name] = result


def folded(b: Builder, node: Node) -> tuple[Value, ...]:
    """The outputs of a node of known inputs, as far as ops can be evaluated; none otherwise."""
    if node.domain not in CORE or node.op not in FOLDED:
        return ()
    inputs: list[Constant | None] = []
    for index in range(len(node.inputs)):
        value = b.operand(node, index) if node.has(index) else None
        if not isinstance(value, Constant | None):
            return ()
        inputs.append(value)
    first = inputs[0] if inputs else None
    # A Clip of integers, which may be the C of a QCDQ, says what their range is.
    clips = node.op == "Clip" and first is not None and first.bounds is not None
    if first is None or (clips and first.scale is None):
        return ()
    return b.folder.fold(node, inputs)


def computed(b: Builder, node: Node) -> tuple[Value, ...]:
    """The outputs of a node by the handler of its op."""
    handler = OPS.get(node.domain, {}).get(node.op)
    if handler is None:
        raise node.fail(f"is not imported from domain {shown(node.domain)}{nearest(node)}")
    for name in node.inputs:
        source = b.values.get(name)
        if isinstance(source, Quantised) and node.op not in TAKE_QUANTISED:
            b.values[name] = source = integers(b, node, source)
        if isinstance(source, Tensor) and node.op not in TAKE_PADDING:
            b.values[name] = onnx_pads.settled(b, node, source)
    results = handler(b, node)
    return results if isinstance(results, tuple) else (results,)


def nearest(node: Node) -> str:
    """What may be meant by an op that is not imported."""
    if homes := [domain for domain, ops in OPS.items() if node.op in ops]:
        return f", but from {shown(homes[0])}"
    if close := get_close_matches(node.op, OPS.get(node.domain, {}), 1, 0.85):
        return f": did you mean {close[0]}?"
    domains = ", ".join(shown(domain) for domain in OPS if domain)
    return "" if node.domain in OPS else f"; domains are those of ONNX and {domains}"


def finish(b: Builder, model: Model) -> ModuleOp:
    """Return the outputs as f32 in ONNX order, and wrap the block in a function."""
    results: list[SSAValue] = []
    if all(isinstance(b.values.get(name), Constant) for name in model.outputs):
        raise ImportFailed("all results are known without running the model: nothing to compile")
    for name in model.outputs:
        end = Node("output", "", name, (name,), (name,), {})
        x = b.operand(end, 0)
        x = integers(b, end, x) if isinstance(x, Quantised) else b.tensor(end)
        x = onnx_pads.settled(b, end, x)
        x = x if x.is_integers else b.to_float(end, x)
        results.append(b.row_major(end, x).value)
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
    # Each op was verified when it was emitted.
    main.verify(verify_nested_ops=False)
    return module


def named(names: Iterable[str]) -> ArrayAttr[DictionaryAttr]:
    """The names of the file on arguments or results."""
    return ArrayAttr(DictionaryAttr({NAME: name_attribute(name)}) for name in names)
