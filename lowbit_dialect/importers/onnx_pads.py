"""Pad: zeros round an image, which the Conv that follows takes over, or elements round any tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lowbit_dialect.codes import CodeType
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_moves import bounded, cut, join, repeated
from lowbit_dialect.importers.onnx_shapes import different, integers
from lowbit_dialect.importers.onnx_tensor import Tensor, Value
from lowbit_dialect.ops.movement import PadOp, padded

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
    """Pad by a constant, or by elements of the tensor itself."""
    x = b.tensor(node)
    mode = node.text("mode", "constant")
    border = read_border(b, node, len(x.shape))
    if not any(border.before + border.after):
        return x
    if mode in INNER:
        return continued(b, node, settled(b, node, x), border, INNER[mode])
    if mode != "constant":
        raise node.fail(f"mode is constant, {', '.join(INNER)}, not {mode:.20}")
    if x.is_integers or not border.round_image:
        return surrounded(b, node, settled(b, node, x), border)
    (top, left), (bottom, right) = border.before[2:], border.after[2:]
    added = zip(x.pads, (top, left, bottom, right))
    return replace(x, pads=tuple(old + new for old, new in added))


def settled(b: Builder, node: Node, x: Tensor) -> Tensor:
    """`x` with the zeros round it that no Conv took over."""
    if not any(x.pads):
        return x
    top, left, bottom, right = x.pads
    border = Border((0, 0, top, left), (0, 0, bottom, right), 0.0)
    return surrounded(b, node, replace(x, pads=(0, 0, 0, 0)), border)


def surrounded(
    b: Builder, node: Node, x: Tensor, border: Border, between: Sequence[int] | None = None
) -> Tensor:
    """`x` with one number round it, and so many of it between its elements; codes if it is one of them."""
    x = b.row_major(node, x) if x.flattened else x
    inner = [0] * len(x.shape) if between is None else between
    if x.has_rows and any(one[x.axis] for one in (border.before, border.after, inner)):
        x = b.to_float(node, x)  # what is put there has no scale
    number = border.value
    if not x.is_integers:
        code = code_of(x, border.value)
        x, number = (b.to_float(node, x), border.value) if code is None else (x, code)
    amounts = [[one[axis] for axis in x.axes] for one in (border.before, border.after, inner)]
    shape = tuple(padded(x.shape, border.before, border.after, inner))
    bounded(node, shape)
    value = b.emit(node, PadOp(x.value, amounts[0], amounts[1], number, amounts[2]))
    return replace(x, value=value, base=shape, shape=shape)


def code_of(x: Tensor, number: float) -> int | None:
    """The code of a tensor that means a number exactly; None if none does, or it holds no codes."""
    if not x.is_codes or x.scale is None or (x.scale.size > 1 and number):
        return None
    code = round(number / float(x.scale[0])) + x.zero
    means = np.float32(code - x.zero) * x.scale[0]
    known = isinstance(x.element, CodeType) and code in x.element.values()
    return code if known and means == np.float32(number) else None


def reflect(extent: int, before: int, after: int) -> tuple[range, range]:
    """The places next to the ends, outwards, without the ends themselves."""
    return range(before, 0, -1), range(extent - 2, extent - 2 - after, -1)


def edge(extent: int, before: int, after: int) -> tuple[range, range]:
    """The ends."""
    return range(0, 1), range(extent - 1, extent)


def wrap(extent: int, before: int, after: int) -> tuple[range, range]:
    """The places at the other end."""
    return range(extent - before, extent), range(after)


INNER: dict[str, Callable[[int, int, int], tuple[range, range]]] = {
    "reflect": reflect,
    "edge": edge,
    "wrap": wrap,
}
"""Which elements of an axis, of so many, stand before and after it."""


def continued(
    b: Builder,
    node: Node,
    x: Tensor,
    border: Border,
    inner: Callable[[int, int, int], tuple[range, range]],
) -> Tensor:
    """`x` with elements of its own before and after each axis."""
    x = b.row_major(node, x) if x.flattened else x
    for axis, amounts in enumerate(zip(border.before, border.after)):
        if not any(amounts):
            continue
        extent = x.shape[axis]
        if inner is not edge and max(amounts) > extent - (inner is reflect):
            raise node.fail(
                f"pads axis {axis} by {max(amounts)}, more than its {extent} elements have"
            )
        parts: list[Tensor] = [x]
        for first, amount, places in zip((True, False), amounts, inner(extent, *amounts)):
            if amount:
                part = cut(b, node, x, {axis: places})
                factors = [
                    amount if inner is edge and a == axis else 1 for a in range(len(x.shape))
                ]
                part = repeated(b, node, part, factors)
                parts.insert(0, part) if first else parts.append(part)
        x = join(b, node, parts, axis)
    return x


def read_border(b: Builder, node: Node, rank: int) -> Border:
    """The numbers of a Pad, as attributes up to opset 10 and as inputs after."""
    given = node.attributes.get("pads")
    if node.has(1):
        numbers = integers(b, node, 1)
    else:
        numbers = list(
            node.integers("pads", (0,) * (len(given) if isinstance(given, tuple) else 1))
        )
    axes = integers(b, node, 3) if node.has(3) else list(range(rank))
    axes = different(node, axes, rank)
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
