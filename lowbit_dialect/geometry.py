"""Windows: which input positions an output position reads, along one axis and in two.

With kernel `K`, stride `s`, dilation `d` and `p` positions of padding before, output `o` reads the
inputs `o s - p + k d` for taps `k` in `[low(o), high(o))`; the other taps lie on padding. Outputs fall
into border classes by that range: `head` leading outputs of a class each, one class for all outputs
whose taps are all inside, and `tail` trailing outputs of a class each; `edges` are outputs that have
classes of their own although all their taps are inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

LIMIT = 2**20
"""Largest kernel, stride, dilation or padding."""


@dataclass(frozen=True)
class WindowAxis:
    """A window sliding along one axis of `size` inputs."""

    size: int
    kernel: int = 1
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    edges: tuple[int, int] = (0, 0)
    """Leading and trailing outputs with a class each, where nothing is padded."""

    @cached_property
    def out(self) -> int:
        """Number of outputs; not positive when the window does not fit."""
        reach = self.dilation * (self.kernel - 1) + 1
        return (self.size + self.before + self.after - reach) // self.stride + 1

    def low(self, output: int) -> int:
        """First tap of `output` inside the input."""
        outside = max(0, self.before - output * self.stride)
        return min(self.kernel, -(-outside // self.dilation))

    def high(self, output: int) -> int:
        """One past the last tap of `output` inside the input; at least `low`."""
        inside = self.size - 1 + self.before - output * self.stride
        return max(self.low(output), min(self.kernel, inside // self.dilation + 1))

    @cached_property
    def head(self) -> int:
        """Leading outputs before the first whose taps are all inside; all if there is none."""
        first = min(self.out, self.edges[0] + -(-self.before // self.stride))
        return first if self._whole(first) else self.out

    @cached_property
    def tail(self) -> int:
        """Trailing outputs after the last whose taps are all inside."""
        if self.head == self.out:
            return 0
        last = (self.size - 1 + self.before - self.dilation * (self.kernel - 1)) // self.stride
        return self.out - min(self.out - self.edges[1], last + 1)

    def _whole(self, output: int) -> bool:
        inside = self.low(output) == 0 and self.high(output) == self.kernel
        return output < self.out and inside

    @property
    def classes(self) -> int:
        """Number of border classes: `head`, the interior, `tail`."""
        return self.head + 1 + self.tail

    def class_of(self, output: int) -> int:
        """Border class of an output."""
        return min(output, self.head) + max(0, output - (self.out - self.tail - 1))

    def class_taps(self, index: int) -> tuple[int, int]:
        """`(low, high)` of a border class; of the last output where the interior has none."""
        beyond = self.out - self.tail - 1 - self.head
        output = min(index, self.out - 1) if index <= self.head else index + beyond
        return self.low(output), self.high(output)

    @cached_property
    def taps_inside(self) -> int:
        """Taps inside the input, summed over all outputs."""
        total = 0
        for tap in range(self.kernel):
            shift = self.before - tap * self.dilation
            first = max(0, -(-shift // self.stride))
            last = min(self.out - 1, (self.size - 1 + shift) // self.stride)
            total += max(0, last - first + 1)
        return total


@dataclass(frozen=True)
class Window:
    """A window over two spatial axes."""

    rows: WindowAxis
    columns: WindowAxis

    @classmethod
    def of(
        cls,
        size: Sequence[int],
        kernel: Sequence[int],
        strides: Sequence[int] = (1, 1),
        padding: Sequence[int] = (0, 0, 0, 0),
        dilations: Sequence[int] = (1, 1),
        edges: Sequence[int] = (0, 0, 0, 0),
    ) -> Window:
        """Build from `(height, width)` pairs, and padding and edges `(top, left, bottom, right)`."""
        top, left, bottom, right = padding
        rows, columns = (edges[0], edges[2]), (edges[1], edges[3])
        return cls(
            WindowAxis(size[0], kernel[0], strides[0], top, bottom, dilations[0], rows),
            WindowAxis(size[1], kernel[1], strides[1], left, right, dilations[1], columns),
        )

    @property
    def out(self) -> tuple[int, int]:
        """Output height and width."""
        return self.rows.out, self.columns.out

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Outputs with a class each, top, left, bottom, right."""
        rows, columns = self.rows.edges, self.columns.edges
        return rows[0], columns[0], rows[1], columns[1]

    @cached_property
    def pointwise(self) -> bool:
        """Whether output pixels are the input's, in the same order."""
        axes = (self.rows, self.columns)
        single = all((a.kernel, a.stride, a.before, a.after) == (1, 1, 0, 0) for a in axes)
        return single and not any(self.edges)

    def error(self) -> str | None:
        """What makes this window illegal, in a sentence; None if nothing does."""
        for name, axis in (("height", self.rows), ("width", self.columns)):
            if min(axis.kernel, axis.stride, axis.dilation) < 1:
                return f"kernel, strides and dilations are at least 1 along the {name}"
            if max(axis.kernel, axis.stride, axis.dilation, axis.before, axis.after) > LIMIT:
                return (
                    f"kernel, strides, dilations and padding are at most {LIMIT} along the {name}"
                )
            if min(axis.before, axis.after) < 0:
                return f"padding is not negative along the {name}"
            if axis.out < 1:
                reach = axis.dilation * (axis.kernel - 1) + 1
                padded = axis.size + axis.before + axis.after
                return (
                    f"the output is empty: the kernel reaches over {reach} positions of the {name}, "
                    f"which has {padded} with padding"
                )
        return None
