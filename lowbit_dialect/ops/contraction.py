"""The numbers of a `conv2d` or `dense`, and what they demand of operands, padding and corrections."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.dialects.builtin import Float32Type, i8, i16, i32
from xdsl.ir import Attribute

from lowbit_dialect.codes import CodeType
from lowbit_dialect.geometry import Window
from lowbit_dialect.layout import ShapedValue
from lowbit_dialect.ops.common import expect, value_range

PRODUCTS = ("popcount", "multiply", "offset", "offset_16")
"""What a kernel sums: popcounts of planes, products of decoded values, or those with one of `OFFSETS`."""


@dataclass(frozen=True)
class Contraction:
    """The numbers of a `conv2d` or `dense`: a dense layer is a 1x1 window over one row of M pixels."""

    batch: int
    window: Window
    inputs: int
    """Input channels of one group."""
    outputs: int
    """Output channels of one group."""
    groups: int
    pad_value: int
    activation: Attribute
    weight: Attribute
    input_axes: tuple[int, ...]
    """Axes of the input: batch, spatial..., channels; a dense layer has rows and channels."""
    weight_axes: tuple[int, ...]
    """Axes of the weights: spatial..., inputs, outputs."""

    @property
    def depth(self) -> int:
        """Terms of one sum, padding included."""
        return self.window.rows.kernel * self.window.columns.kernel * self.inputs

    @property
    def filling(self) -> int:
        """What windows that are gathered hold for padding: its value, or if that is no code the least one."""
        code = self.activation
        values = code.values() if isinstance(code, CodeType) else (self.pad_value,)
        return self.pad_value if self.pad_value in values else min(values)

    @property
    def gathered(self) -> Contraction:
        """The same sums over windows that lie end to end: a 1x1 window over pixels of `depth` channels.

        Outputs that see padding remain its edges if something else is gathered in its place.
        """
        rows, columns = self.window.rows, self.window.columns
        borders = rows.head, columns.head, rows.tail, columns.tail
        edges = borders if self.filling != self.pad_value else (0, 0, 0, 0)
        window = Window.of(self.window.out, (1, 1), edges=edges)
        return replace(self, window=window, inputs=self.depth)

    @property
    def subsamples(self) -> bool:
        """Whether the windows are single pixels of which some are skipped."""
        axes = (self.window.rows, self.window.columns)
        single = all((a.kernel, a.before, a.after) == (1, 0, 0) for a in axes)
        return single and self != self.gathered

    @property
    def pixels(self) -> int:
        """Outputs that use the same weights."""
        return self.batch * self.window.rows.out * self.window.columns.out

    @property
    def macs(self) -> int:
        """Multiply-adds on taps inside the image."""
        taps = self.window.rows.taps_inside * self.window.columns.taps_inside
        return self.batch * taps * self.inputs * self.outputs * self.groups

    @property
    def bound(self) -> tuple[int, int]:
        """Smallest and largest sum that the types of integer operands allow; 0 lies between them."""
        ends = value_range(self.activation)  # a pad value lies inside as well
        products = [x * w for x in ends for w in value_range(self.weight)]
        return self.depth * min(0, *products), self.depth * max(0, *products)

    @property
    def bitserial(self) -> bool:
        """Whether both operands are codes."""
        return isinstance(self.activation, CodeType) and isinstance(self.weight, CodeType)


def correction_shape(work: Contraction) -> tuple[int, int, int]:
    """Shape of the corrections: border classes of rows and columns, output channels."""
    channels = work.groups * work.outputs
    return work.window.rows.classes, work.window.columns.classes, channels


def verify_corrections(work: Contraction, got: ShapedValue) -> None:
    """One i32, or an i16 that holds it, for each border class and output channel."""
    shape = correction_shape(work)
    expect(
        tuple(got.get_shape()) == shape and got.element_type in (i16, i32),
        f"corrections are i16 or i32 of shape {'x'.join(map(str, shape))}, not {got}",
    )


def verify_operands(activation: Attribute, weight: Attribute) -> None:
    """Codes with codes, or i8, i16, f32 with the same; a code also with i8 or i16."""
    codes = isinstance(activation, CodeType), isinstance(weight, CodeType)
    plain = [e for e, code in zip((activation, weight), codes) if not code]
    for element in plain:
        legal = element in (i8, i16) or isinstance(element, Float32Type)
        expect(legal, f"multiplies codes, i8, i16 or f32, not {element}")
    floats = [isinstance(e, Float32Type) for e in (activation, weight)]
    expect(floats[0] == floats[1], f"cannot multiply {activation} by {weight}")


def verify_pad(work: Contraction, name: str = "pad_value") -> None:
    """The pad value is one that the activation could have, a code or not; 0 for f32."""
    verify_operands(work.activation, work.weight)
    pad, element = work.pad_value, work.activation
    if isinstance(element, Float32Type):
        expect(pad == 0, f"an f32 convolution pads with 0, not {pad}")
        return
    low, high = value_range(element)
    low, high = min(low, 0), max(high, 0)
    expect(low <= pad <= high, f"{name} {pad} lies outside {low}..{high}, the range of {element}")
