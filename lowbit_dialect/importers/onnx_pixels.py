"""Resize, DepthToSpace and its inverse: pixels that move, as codes if they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

from xdsl.dialects.builtin import TensorType

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_moves import attribute, repeated
from lowbit_dialect.importers.onnx_shapes import different, integers
from lowbit_dialect.importers.onnx_tensor import NHWC, Tensor, Value
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp

MOST_FACTOR = 1024
"""How often a Resize may repeat a pixel along an axis."""
COORDINATES: dict[str, Callable[[int, int], Fraction]] = {
    "asymmetric": lambda at, factor: Fraction(at, factor),
    "half_pixel": lambda at, factor: Fraction(2 * at + 1, 2 * factor) - Fraction(1, 2),
    "pytorch_half_pixel": lambda at, factor: Fraction(2 * at + 1, 2 * factor) - Fraction(1, 2),
    "half_pixel_symmetric": lambda at, factor: Fraction(2 * at + 1, 2 * factor) - Fraction(1, 2),
    "tf_half_pixel_for_nn": lambda at, factor: Fraction(2 * at + 1, 2 * factor),
}
"""Where an output stands among the inputs, by `coordinate_transformation_mode`."""
NEAREST: dict[str, Callable[[Fraction], int]] = {
    "round_prefer_floor": lambda at: ceil(at - Fraction(1, 2)),
    "round_prefer_ceil": lambda at: floor(at + Fraction(1, 2)),
    "floor": floor,
    "ceil": ceil,
}
"""The input that is taken for it, by `nearest_mode`."""


def resize(b: Builder, node: Node) -> Value:
    """Resize to the nearest pixel by whole factors, where that repeats each."""
    x = b.tensor(node)
    if node.text("mode", "nearest") != "nearest":
        raise node.fail("mode is nearest: interpolation is not imported")
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise node.fail("keep_aspect_ratio_policy is stretch")
    factors = resize_factors(b, node, x)
    old = b.folder.opset < 11 or node.op == "Upsample"
    mode = "asymmetric" if old else node.text("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else node.text("nearest_mode", "round_prefer_floor")
    for factor in set(factors) - {1}:
        known = mode in COORDINATES and nearest in NEAREST
        # Two pixels show it: the map advances by one input a factor.
        if not known or any(
            max(NEAREST[nearest](COORDINATES[mode](at, factor)), 0) != at // factor
            for at in range(2 * factor)
        ):
            raise node.fail(
                f"coordinates {mode:.30} with {nearest:.30} do not repeat each pixel {factor} times: "
                "asymmetric with floor, and half_pixel with round_prefer_floor, do"
            )
    return repeated(b, node, x, factors)


def resize_factors(b: Builder, node: Node, x: Tensor) -> list[int]:
    """The whole factor of each ONNX axis."""
    rank = len(x.shape)
    scales = attribute_scales(b, node)
    sizes = integers(b, node, 3) if node.has(3) else None
    count = len(sizes) if sizes is not None else len(scales)
    axes = list(range(rank)) if count == rank else different(node, attribute(node, "axes"), rank)
    if len(axes) != count:
        raise node.fail(f"has {count} factors or sizes for {rank} axes")
    given = [Fraction(1)] * rank
    for index, axis in enumerate(axes):
        given[axis] = (
            Fraction(sizes[index], x.shape[axis]) if sizes is not None else Fraction(scales[index])
        )
    if any(one.denominator != 1 or not 1 <= one <= MOST_FACTOR for one in given):
        shown = ", ".join(str(float(one)) for one in given)
        raise node.fail(f"resizes by {shown}: whole factors of 1 to {MOST_FACTOR} are imported")
    return [int(one) for one in given]


def attribute_scales(b: Builder, node: Node) -> list[float]:
    """The factors of a Resize or Upsample, an attribute or an input; none if sizes are given."""
    given = node.attributes.get("scales")
    if isinstance(given, tuple):
        return [float(one) for one in given]
    index = 1 if b.folder.opset < 11 or node.op == "Upsample" else 2
    if not node.has(index) or b.constant(node, index).values.size == 0:
        return []
    return [float(one) for one in b.reals(node, index).ravel()]


def blocks(b: Builder, node: Node) -> tuple[Tensor, int]:
    """The image that is cut in blocks, NHWC and of one scale, and the size of a block."""
    x, size = b.tensor(node), node.integer("blocksize", 0)
    if len(x.shape) != 4 or not 1 <= size <= 1 << 10:
        raise node.fail(f"takes an image of rank 4 and a blocksize of at least 1, not {size}")
    if x.has_rows:
        x = b.to_float(node, x)
    return b.arranged(node, x, NHWC), size


def rearranged(
    b: Builder, node: Node, x: Tensor, split: Sequence[int], order: Sequence[int], to: Sequence[int]
) -> Tensor:
    """An image whose stored axes are split, put in order, and merged to NHWC extents `to`."""
    value = b.emit(node, ReshapeOp(x.value, TensorType(x.element, split)), "blocks")
    value = b.emit(node, TransposeOp(value, order), "blocks")
    value = b.emit(node, ReshapeOp(value, TensorType(x.element, to)))
    shape = (to[0], to[3], to[1], to[2])
    return replace(x, value=value, base=shape, shape=shape)


def depth_to_space(b: Builder, node: Node) -> Value:
    """Channels become the pixels of blocks."""
    x, size = blocks(b, node)
    n, c, h, w = x.shape
    if c % size**2:
        raise node.fail(f"{c} channels do not make blocks of {size} x {size}")
    rest = c // size**2
    if node.text("mode", "DCR") == "DCR":
        parts, order = (n, h, w, size, size, rest), (0, 1, 3, 2, 4, 5)
    else:
        parts, order = (n, h, w, rest, size, size), (0, 1, 4, 2, 5, 3)
    return rearranged(b, node, x, parts, order, (n, h * size, w * size, rest))


def space_to_depth(b: Builder, node: Node) -> Value:
    """The pixels of blocks become channels."""
    x, size = blocks(b, node)
    n, c, h, w = x.shape
    if h % size or w % size:
        raise node.fail(f"an image of {h} x {w} is not made of blocks of {size} x {size}")
    parts = (n, h // size, size, w // size, size, c)
    return rearranged(b, node, x, parts, (0, 1, 3, 2, 4, 5), (n, h // size, w // size, c * size**2))


OPS: dict[str, Callable[[Builder, Node], Value]] = {
    "DepthToSpace": depth_to_space,
    "Resize": resize,
    "SpaceToDepth": space_to_depth,
    "Upsample": resize,
}
