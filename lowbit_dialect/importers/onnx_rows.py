"""ReduceSum, ReduceMean, ReduceMax, ReduceMin and norms, ArgMax, ArgMin and TopK: along any axes, in f32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from xdsl.dialects.builtin import TensorType, f32, i32

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_pools import mean_of_image
from lowbit_dialect.importers.onnx_shapes import axis_of, integers, listed_axes, to_shape
from lowbit_dialect.importers.onnx_tensor import Tensor, Value
from lowbit_dialect.ops.elementwise import ApplyOp, MulOp
from lowbit_dialect.ops.reshaping import ReshapeOp
from lowbit_dialect.ops.rows import ReduceOp, TopKOp

Handler = Callable[[Builder, Node], Value | tuple[Value, ...]]


def rows(b: Builder, node: Node, x: Tensor, axes: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
    """`x` in f32 with ONNX axes as rows, its last axis, and the order in which it stores its axes."""
    kept = tuple(axis for axis in range(len(x.shape)) if axis not in axes)
    order = (*kept, *axes)
    x = b.arranged(node, b.to_float(node, x), order)
    if len(axes) != 1:
        shape = (*(x.shape[axis] for axis in kept), prod(x.shape[axis] for axis in axes))
        x = x.holding(b.emit(node, ReshapeOp(x.value, TensorType(f32, shape)), "rows"))
    return x, order


def reduced(b: Builder, node: Node, x: Tensor, axes: Sequence[int], function: str) -> Tensor:
    """`x` reduced along ONNX axes, which become one long."""
    source, order = rows(b, node, x, axes)
    value = b.emit(node, ReduceOp(function, source.value))
    shape = tuple(1 if axis in axes else extent for axis, extent in enumerate(x.shape))
    if len(axes) != 1:
        stored = TensorType(f32, [shape[axis] for axis in order])
        value = b.emit(node, ReshapeOp(value, stored))
    return Tensor(value, shape, order, shape)


def without(b: Builder, node: Node, x: Tensor, axes: Sequence[int]) -> Tensor:
    """`x` less ONNX axes that are one long."""
    shape = tuple(extent for axis, extent in enumerate(x.shape) if axis not in axes)
    if not shape:
        raise node.fail("leaves no axis: set keepdims to 1")
    return to_shape(b, node, x, shape)


def reduction(function: str) -> Handler:
    """The handler of a reduction."""

    def handler(b: Builder, node: Node) -> Value:
        x = b.tensor(node)
        rank = len(x.shape)
        axes = listed_axes(b, node, rank, [])
        if not axes and node.integer("noop_with_empty_axes", 0):
            return x
        axes = sorted(axes) or list(range(rank))
        if function == "mean" and rank == 4 and axes == [2, 3]:
            y = mean_of_image(b, node, x)
        else:
            y = reduced(b, node, x, axes, function)
        return y if node.integer("keepdims", 1) else without(b, node, y, axes)

    return handler


def norm(power: int) -> Handler:
    """The handler of a sum of sizes, or of squares."""

    def handler(b: Builder, node: Node) -> Value:
        x = b.to_float(node, b.tensor(node))
        op = ApplyOp("abs", x.value) if power == 1 else MulOp(x.value, x.value)
        x = x.holding(b.emit(node, op, "sizes"))
        axes = sorted(listed_axes(b, node, len(x.shape), [])) or list(range(len(x.shape)))
        y = reduced(b, node, x, axes, "sum")
        if node.op == "ReduceL2":
            y = y.holding(b.emit(node, ApplyOp("sqrt", y.value)))
        return y if node.integer("keepdims", 1) else without(b, node, y, axes)

    return handler


def arg(smallest: bool) -> Handler:
    """The handler of ArgMax or ArgMin: the first place of the largest or smallest, as i32."""

    def handler(b: Builder, node: Node) -> Value:
        if node.integer("select_last_index", 0):
            raise node.fail("select_last_index is 0: the first of equals is imported")
        x = b.tensor(node)
        axis = axis_of(node, len(x.shape), 0)
        places = best(b, node, x, axis, 1, smallest)[1]
        return places if node.integer("keepdims", 1) else without(b, node, places, [axis])

    return handler


def top_k(b: Builder, node: Node) -> tuple[Value, ...]:
    """TopK: numbers, and their places as i32."""
    x = b.tensor(node)
    axis, count = axis_of(node, len(x.shape), -1), node.integer("k", 0)
    if node.has(1):
        (count, *more) = integers(b, node, 1) or [0]
        if more:
            raise node.fail("takes one number k")
    if not 1 <= count <= x.shape[axis]:
        raise node.fail(f"k is 1 to {x.shape[axis]}, not {count}")
    return best(b, node, x, axis, count, not node.integer("largest", 1))


def best(
    b: Builder, node: Node, x: Tensor, axis: int, count: int, smallest: bool
) -> tuple[Tensor, Tensor]:
    """The `count` largest or smallest along an ONNX axis, and their places."""
    source, order = rows(b, node, x, [axis])
    shape = tuple(count if at == axis else extent for at, extent in enumerate(x.shape))
    numbers, places = (
        b.emit(node, TopKOp(source.value, count, element, smallest=smallest), name)
        for element, name in zip((f32, i32), (*node.outputs, "places"))
    )
    return Tensor(numbers, shape, order, shape), Tensor(places, shape, order, shape)


OPS: dict[str, Handler] = {
    "ArgMax": arg(smallest=False),
    "ArgMin": arg(smallest=True),
    "ReduceL1": norm(1),
    "ReduceL2": norm(2),
    "ReduceMax": reduction("max"),
    "ReduceMean": reduction("mean"),
    "ReduceMin": reduction("min"),
    "ReduceSum": reduction("sum"),
    "ReduceSumSquare": norm(2),
    "TopK": top_k,
}
