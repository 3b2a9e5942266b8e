"""Nodes whose inputs are all known: evaluated by `onnx.reference`, bounded before anything is allocated.

Shape inference tells how much a node gives before it runs, and what all of them touch is limited. Ops that
only move elements are evaluated on the integers and on the scale of a quantised tensor, which stays one.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from lowbit_dialect.importers.onnx_data import MAX_RANK
from lowbit_dialect.importers.onnx_model import Constant, ImportFailed, Node, shown
from lowbit_dialect.layout import Array

LEAST_WORK, WORK_EACH = 1 << 22, 16
"""Elements that folding may read and write: so many, and so many for each element in the file."""
MAX_TOLD = 16
"""Elements of an input that shape inference may look at: a shape, axes, pads."""
PRODUCTS = frozenset({"Gemm", "MatMul"})
_MOVES = """
    DepthToSpace Expand Flatten Gather Reshape Slice SpaceToDepth Split Squeeze Tile Transpose Unsqueeze
"""
_LINEAR = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BitShift BitwiseAnd
    BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Clip Concat ConstantOfShape Cos Cosh CumSum Div Elu
    Equal Exp EyeLike Floor Greater GreaterOrEqual HardSigmoid HardSwish IsInf IsNaN
    LayerNormalization LeakyRelu Less LessOrEqual Log Max Mean Min Mod Mul Neg Not OneHot Or PRelu
    Pad Pow Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Relu Round Selu Shape Sigmoid Sign Sin Sinh Size
    Softplus Softsign Sqrt Sub Sum Tan Tanh Trilu Where Xor
"""
MOVES = frozenset(_MOVES.split())
"""Ops by which each element of the first input goes to some places, or none."""
LINEAR = frozenset(_LINEAR.split())
"""Ops that take a few nanoseconds an element. Not folded are those that the package computes one by one,
or in old opsets as in new ones (Softmax), or not right (BatchNormalization)."""
FOLDED = MOVES | LINEAR | PRODUCTS


@dataclass
class Folder:
    """Evaluates nodes of one model."""

    opset: int
    allowance: int
    """Elements that may still be read and written."""

    @classmethod
    def of(cls, opset: int, constants: Mapping[str, Constant]) -> Folder:
        """A folder for a file with these initializers."""
        held = sum(constant.values.size for constant in constants.values())
        return cls(opset, LEAST_WORK + WORK_EACH * held)

    def fold(self, node: Node, inputs: Sequence[Constant | None]) -> tuple[Constant, ...]:
        """The outputs of a node, absent inputs being None; raises ImportFailed naming it."""
        first = inputs[0] if inputs else None
        if first is None or first.scale is None or node.op not in MOVES:
            reals = [None if one is None else one.real for one in inputs]
            return tuple(map(as_constant, self.evaluate(node, reals)))
        rest = [None if one is None else one.real for one in inputs[1:]]
        values = self.evaluate(node, [first.values, *rest])
        full = np.broadcast_to(first.scale, first.shape)
        scales = self.evaluate(node, [full, *rest])
        return tuple(
            Constant(value, first.bounds, narrowed(scale)) for value, scale in zip(values, scales)
        )

    def evaluate(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        """What a node gives on known arrays."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        try:
            proto, version = to_proto(node), min(self.opset, onnx.defs.onnx_opset_version())
            known = onnx.defs.get_schema(node.op, version).attributes
            if unknown := [name for name in node.attributes if name not in known]:
                raise node.fail(f"has no attribute {shown(unknown[0])} in opset {version}")
            named = {name: one for name, one in zip(proto.input, inputs) if one is not None}
            self.spend(node, named, inferred(proto, named, version))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # In a graph: of a node by itself it takes the newest version.
                order_axes(proto, inputs)
                reads = [onnx.ValueInfoProto(name=name) for name in named]
                gives = [onnx.ValueInfoProto(name=name) for name in proto.output]
                graph = onnx.helper.make_graph([proto], "node", reads, gives)
                evaluator: Any = ReferenceEvaluator(graph, opsets={"": version})
                results = evaluator.run(None, named)
        except ImportFailed:
            raise
        except Exception as error:
            reason = str(error).rsplit("Error] ", maxsplit=1)[-1].strip()
            raise node.fail(f"cannot be computed ahead: {shown(reason)}") from error
        arrays = [np.asarray(result) for result in results]
        if any(one.dtype.kind not in "fiub" or one.ndim > MAX_RANK for one in arrays):
            raise node.fail(f"gives no tensor of numbers of rank up to {MAX_RANK}")
        return arrays

    def spend(
        self, node: Node, inputs: Mapping[str, Array], shapes: Sequence[list[int] | None]
    ) -> None:
        """Count what a node reads and writes, before it does."""
        known = [shape for shape in shapes if shape is not None and min(shape, default=0) >= 0]
        if len(known) < len(shapes):
            raise node.fail("cannot be computed ahead: its inputs do not tell how much it gives")
        # An extent of 0 may come after one that was made huge.
        written = sum(prod(max(extent, 1) for extent in shape) for shape in known)
        if node.op in PRODUCTS:
            written *= max(map(max, (one.shape for one in inputs.values() if one.ndim)), default=1)
        self.allowance -= written + sum(one.size for one in inputs.values())
        if self.allowance < 0:
            raise node.fail("brings the elements computed ahead to more than this file may ask for")


def to_proto(node: Node) -> Any:
    """The node as ONNX, its inputs named by their place."""
    from onnx import AttributeProto, helper, numpy_helper

    names = [f"x{index}" if name else "" for index, name in enumerate(node.inputs)]
    proto = helper.make_node(node.op, names, [f"y{index}" for index in range(len(node.outputs))])
    for name, value in node.attributes.items():
        held = numpy_helper.from_array(value.values) if isinstance(value, Constant) else value
        empty = AttributeProto.INTS if held == () else None
        proto.attribute.append(helper.make_attribute(name, held, attr_type=empty))
    return proto


def order_axes(proto: Any, inputs: Sequence[Array | None]) -> None:
    """Sort the axes of an Unsqueeze in an attribute: the package inserts one after another."""
    if proto.op_type == "Unsqueeze" and proto.attribute and inputs[0] is not None:
        axes = proto.attribute[0].ints
        rank = inputs[0].ndim + len(axes)
        axes[:] = sorted(axis % rank for axis in axes)


def inferred(proto: Any, inputs: Mapping[str, Array], version: int) -> list[list[int] | None]:
    """The shape of each output by shape inference; None if it cannot tell, or for no numbers."""
    import onnx
    from onnx import helper, numpy_helper

    types = {name: helper.np_dtype_to_tensor_dtype(one.dtype) for name, one in inputs.items()}
    values = [
        helper.make_tensor_value_info(name, types[name], one.shape) for name, one in inputs.items()
    ]
    told = [
        numpy_helper.from_array(one, name) for name, one in inputs.items() if one.size <= MAX_TOLD
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in proto.output]
    graph = helper.make_graph([proto], "node", values, outputs, told)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    whole = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    types = [value.type.tensor_type for value in whole.graph.output]
    return [
        [dim.dim_value if dim.HasField("dim_value") else -1 for dim in type.shape.dim]
        if type.HasField("shape") and type.elem_type != onnx.TensorProto.STRING
        else None
        for type in types
    ]


def as_constant(values: Array) -> Constant:
    """Computed values, with the range of their type if they are integers."""
    if values.dtype.kind not in "iu":
        return Constant(values)
    limits = np.iinfo(values.dtype)
    return Constant(values, (int(limits.min), int(limits.max)))


def narrowed(scale: Array) -> Array:
    """A scale with one position of each axis along which it does not vary."""
    for axis in range(scale.ndim):
        first = np.take(scale, [0], axis) if scale.shape[axis] else scale
        if np.array_equal(np.broadcast_to(first, scale.shape), scale):
            scale = first
    return scale
