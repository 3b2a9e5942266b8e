"""What the ops share: shape checks, the two forms (tensors, or memrefs with `outs`), window parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from xdsl.dialects.builtin import (
    DenseArrayBase,
    Float32Type,
    IntegerType,
    MemRefType,
    NoneAttr,
    TensorType,
    i8,
    i16,
    i32,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa

from lowbit_dialect.codes import CodeType
from lowbit_dialect.geometry import Window
from lowbit_dialect.layout import LayoutAttr, ShapedValue, storage_bytes
from lowbit_dialect.layout_verifier import verify_layout

I32_MAX = 2**31 - 1
MAX_BYTES = 2**40
FORMATS = ("nhwc", "nchw")


def ints(values: Sequence[int]) -> DenseArrayBase[IntegerType]:
    """A dense i64 array property."""
    return DenseArrayBase.from_list(i64, list(values))


def shaped(value: SSAValue) -> ShapedValue:
    """The tensor or memref type of a value, whose shape is static."""
    type = shaped_type(value)
    check_extents(type)
    return type


def shaped_type(value: SSAValue) -> ShapedValue:
    """The tensor or memref type of a value."""
    if not isinstance(value.type, TensorType | MemRefType):
        raise VerifyException(f"expected a tensor or memref, not {value.type}")
    return cast(ShapedValue, value.type)


def tensor_of(value: SSAValue) -> TensorType[Attribute]:
    """The tensor type of a value."""
    assert isinstance(value.type, TensorType)
    return cast(TensorType[Attribute], value.type)


def shape_of(value: SSAValue) -> tuple[int, ...]:
    """The static shape of a tensor or memref value."""
    return tuple(shaped(value).get_shape())


def element_of(type: Attribute) -> Attribute:
    """The element type of a shaped type; a scalar type itself, as inside an epilogue."""
    if isinstance(type, TensorType | MemRefType):
        return cast(ShapedValue, type).element_type
    return type


def is_scalar(type: Attribute) -> bool:
    """Whether a type is one element, as inside an epilogue."""
    return not isinstance(type, TensorType | MemRefType)


def value_range(element: Attribute) -> tuple[int, int]:
    """Smallest and largest decoded value of a code or integer type."""
    if isinstance(element, CodeType):
        return element.minimum, element.maximum
    if isa(element, IntegerType):
        half = 1 << (element.width.data - 1)
        return -half, half - 1
    raise VerifyException(f"{element} has no integer range")


def output_type(op: Operation) -> ShapedValue:
    """Type of what an op computes: its result, or its `outs` memref."""
    outs = getattr(op, "outs", None)
    return shaped(outs if outs is not None else op.results[0])


def verify_form(op: Operation) -> None:
    """Either tensors and one result, or memrefs and `outs`."""
    outs = getattr(op, "outs", None)
    if (outs is None) == (not op.results):
        raise VerifyException("has either a result (on tensors) or outs (on memrefs)")
    wrong = TensorType if outs is not None else MemRefType
    if any(isinstance(value.type, wrong) for value in (*op.operands, *op.results)):
        raise VerifyException("mixes tensors and memrefs")
    for value in op.operands:
        check_layout(value.type)
    for value in op.results:
        type = shaped_type(value)
        if all(extent > 0 for extent in type.get_shape()):  # else no op computes it: said later
            check_layout(type)


def check_layout(type: Attribute) -> None:
    """Verify the element, the layout and the size of a tensor or memref type."""
    if not isinstance(type, TensorType | MemRefType):
        return
    type = cast(ShapedValue, type)
    check_extents(type)
    element: Attribute = type.element_type
    legal = element in (i8, i16, i32, i64) or isinstance(element, CodeType | Float32Type)
    expect(legal, f"elements are codes, i8, i16, i32, i64 or f32, not {element}")
    attr = type.encoding if isinstance(type, TensorType) else type.layout
    plain = isinstance(attr, NoneAttr)
    expect(plain or isinstance(attr, LayoutAttr), f"a layout is a #lowbit.layout, not {attr}")
    if isinstance(attr, LayoutAttr):
        verify_layout(attr.data, type.get_num_dims(), element)
    expect(storage_bytes(type) <= MAX_BYTES, f"{type} takes more than a terabyte")


def check_extents(type: ShapedValue) -> None:
    """Verify that a shape is static."""
    if any(extent < 1 for extent in type.get_shape()):
        raise VerifyException(f"every extent of {type} is static and at least 1")


def expect(condition: bool, message: str) -> None:
    """Raise VerifyException with `message` unless `condition`."""
    if not condition:
        raise VerifyException(message)


def expect_output(
    op: Operation, shape: Sequence[int], *elements: type[Attribute] | Attribute
) -> None:
    """Verify the shape and element type of what an op computes."""
    got = output_type(op)
    text = "x".join(map(str, shape))
    expect(
        tuple(got.get_shape()) == tuple(shape),
        f"computes a shape of {text}, but its result is {got}",
    )
    fits = any(
        isinstance(got.element_type, e) if isinstance(e, type) else got.element_type == e
        for e in elements
    )
    names = " or ".join(e.name if isinstance(e, type) else str(e) for e in elements)
    expect(fits, f"has a result of {names}, not {got.element_type}")


def spatial_axes(format: str) -> tuple[int, int, int]:
    """Axes of height, width and channels of an image of rank 4."""
    return (1, 2, 3) if format == "nhwc" else (2, 3, 1)


def image_shape(format: str, batch: int, size: Sequence[int], channels: int) -> tuple[int, ...]:
    """Shape of an image in `format`."""
    return (batch, *size, channels) if format == "nhwc" else (batch, channels, *size)


def array(prop: DenseArrayBase[Any] | None, default: Sequence[int]) -> tuple[int, ...]:
    """The values of an optional dense array property."""
    return tuple(default) if prop is None else tuple(int(v) for v in prop.get_values())


def verify_window(window: Window) -> None:
    """Raise VerifyException with the reason unless the window is legal."""
    error = window.error()
    expect(error is None, error or "")


def verify_edges(window: Window) -> None:
    """Raise VerifyException unless edges are outputs of a window without padding."""
    axes = window.rows, window.columns
    padded = any(axis.before or axis.after for axis in axes)
    fits = min(window.edges) >= 0 and all(sum(axis.edges) <= axis.out for axis in axes)
    expect(not padded, "edges are of a window without padding")
    expect(
        fits, f"edges lie in outputs of {window.out[0]}x{window.out[1]}, not {list(window.edges)}"
    )
