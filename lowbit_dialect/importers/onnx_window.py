"""Windows of Conv and the pools: kernel, strides, dilations and the four kinds of padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from lowbit_dialect.geometry import Window
from lowbit_dialect.importers.onnx_model import MAX_ELEMENTS, Node

MAX_NUMBER = 1 << 15
AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True)
class OnnxWindow:
    """A window over height and width."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: tuple[int, int, int, int]
    """Top, left, bottom, right; ONNX lists pads in the same order."""


def read_window(node: Node, size: Sequence[int], kernel: Sequence[int]) -> OnnxWindow:
    """The window of a node over an image of `size`; `kernel` is the default of `kernel_shape`."""
    for name, count in (("kernel_shape", 2), ("strides", 2), ("dilations", 2), ("pads", 4)):
        value = node.attributes.get(name)
        if isinstance(value, tuple) and len(value) == count // 2:
            raise node.fail(
                f"its {name} {list(value)} is that of one dimension, but images have two"
            )
    shape = node.integers("kernel_shape", kernel)
    strides = node.integers("strides", (1, 1))
    dilations = node.integers("dilations", (1, 1))
    if min(*shape, *strides, *dilations) < 1:
        raise node.fail("kernel, strides and dilations are at least 1")
    auto = node.text("auto_pad", "NOTSET") or "NOTSET"
    if auto not in AUTO_PADS:
        raise node.fail(f"auto_pad is one of {', '.join(AUTO_PADS)}")
    if auto == "NOTSET":
        top, left, bottom, right = node.integers("pads", (0, 0, 0, 0))
    elif auto == "VALID":
        top = left = bottom = right = 0
    else:
        pairs = [_same(*numbers) for numbers in zip(size, shape, strides, dilations)]
        (top, bottom), (left, right) = pairs if auto == "SAME_UPPER" else [p[::-1] for p in pairs]
    if min(top, left, bottom, right) < 0:
        raise node.fail("pads are not negative")
    if max(*shape, *strides, *dilations, top, left, bottom, right) > MAX_NUMBER:
        raise node.fail(f"kernel, strides, dilations and pads are at most {MAX_NUMBER}")
    return OnnxWindow(shape, strides, dilations, (top, left, bottom, right))


def slide(
    node: Node, window: OnnxWindow, padding: Sequence[int], shape: Sequence[int], channels: int
) -> tuple[int, ...]:
    """ONNX shape of what a window over images of `shape` gives, checked and bounded."""
    sliding = Window.of(shape[2:], window.kernel, window.strides, padding, window.dilations)
    if (error := sliding.error()) is not None:
        raise node.fail(error)
    result = (shape[0], channels, *sliding.out)
    if prod(result) > MAX_ELEMENTS:
        raise node.fail(f"gives {list(result)}, more than {MAX_ELEMENTS} elements, the limit here")
    return result


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding before and after for `ceil(size / stride)` outputs, the odd one after."""
    outputs = -(-size // stride)
    total = max(0, (outputs - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return total // 2, total - total // 2
