"""Element types by the short names of the Python API and the command line."""

from __future__ import annotations

from xdsl.dialects.builtin import Float32Type, f32, i8, i16, i32
from xdsl.ir import Attribute

from lowbit_dialect.codes import CodeType, parse_code
from lowbit_dialect.layout import ShapedValue, layout_of
from lowbit_dialect.ops.common import value_range

PLAIN: dict[str, Attribute] = {"i8": i8, "i16": i16, "i32": i32, "f32": f32}


def parse_element(spelling: str | Attribute) -> Attribute:
    """The element type of `uint2`, `int4`, `odd1`, `ternary`, `i8`, `i16`, `i32` or `f32`.

    Raises ValueError naming the legal forms otherwise.
    """
    if isinstance(spelling, Attribute):
        return spelling
    try:
        return PLAIN[spelling] if spelling in PLAIN else parse_code(spelling)
    except (TypeError, ValueError):
        raise ValueError(
            f"unknown element '{spelling}': expected uint1..uint8, int1..int8, odd1..odd8, ternary, "
            f"{', '.join(PLAIN)}"
        ) from None


def spelling_of(element: Attribute) -> str:
    """The short name of an element type."""
    return element.spelling if isinstance(element, CodeType) else str(element)


def value_bounds(element: Attribute) -> tuple[int, int] | None:
    """Smallest and largest decoded value; None for f32."""
    if isinstance(element, CodeType):
        return element.minimum, element.maximum
    return None if isinstance(element, Float32Type) else value_range(element)


def typed(type: ShapedValue) -> str:
    """A type in short: `1x8x8x64 of uint2`."""
    layout = layout_of(type)
    text = f"{'x'.join(map(str, type.get_shape()))} of {spelling_of(type.element_type)}"
    return f"{text} as {layout}" if layout else text
