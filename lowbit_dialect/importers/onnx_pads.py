"""Pad: zeros round an image, which the Conv that follows takes over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_shapes import integers
from lowbit_dialect.importers.onnx_tensor import Value

MAX_PAD = 1 << 20


@dataclass(frozen=True)
class Border:
    """What a Pad puts before and after each ONNX axis."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float

    @property
    def round_image(self) -> bool:
        """Whether it is zeros round the pixels of an image, as a window pads them itself."""
        return (
            len(self.before) == 4 and self.value == 0 and not any(self.before[:2] + self.after[:2])
        )


def pad(b: Builder, node: Node) -> Value:
    """Pad before a Conv."""
    x = b.tensor(node)
    border = read_border(b, node, len(x.shape))
    if not any(border.before + border.after):
        return x
    if x.is_integers or not border.round_image:
        raise node.fail("pads the height and width of an image of rank 4 with zeros")
    (top, left), (bottom, right) = border.before[2:], border.after[2:]
    added = zip(x.pads, (top, left, bottom, right))
    return replace(x, pads=tuple(old + new for old, new in added))


def read_border(b: Builder, node: Node, rank: int) -> Border:
    """The numbers of a Pad, as attributes up to opset 10 and as inputs after."""
    mode = node.text("mode", "constant")
    if mode != "constant":
        raise node.fail(f"mode is constant, not {mode:.20}: pad with zeros or another constant")
    given = node.attributes.get("pads")
    if node.has(1):
        numbers = integers(b, node, 1)
    else:
        numbers = list(
            node.integers("pads", (0,) * (len(given) if isinstance(given, tuple) else 1))
        )
    axes = integers(b, node, 3) if node.has(3) else list(range(rank))
    if not all(-rank <= axis < rank for axis in axes) or len({a % rank for a in axes}) < len(axes):
        raise node.fail(f"axes {axes} are not different ones of {rank}")
    if len(numbers) != 2 * len(axes):
        raise node.fail(
            f"has {len(numbers)} pads: one before and one after each of {len(axes)} axes"
        )
    if not all(0 <= number < MAX_PAD for number in numbers):
        raise node.fail(f"pads are not negative and below {MAX_PAD}: a Slice crops")
    before, after = [0] * rank, [0] * rank
    for index, axis in enumerate(axes):
        before[axis], after[axis] = numbers[index], numbers[index + len(axes)]
    return Border(tuple(before), tuple(after), pad_value(b, node))


def pad_value(b: Builder, node: Node) -> float:
    """The value of a Pad: its third input, or an attribute up to opset 10."""
    if not node.has(2):
        return node.number("value", 0.0)
    value = b.constant(node, 2).real
    if value.size != 1 or not np.isfinite(float(value.ravel()[0])):
        raise node.fail("its value is one finite number")
    return float(value.ravel()[0])


OPS = {"Pad": pad}
