"""Tensors during import: an SSA value with its ONNX shape, stored axis order and quantisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.codes import CodeType, TernaryType, parse_code
from lowbit_dialect.importers.onnx_model import Constant
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import element_of

NHWC = (0, 2, 3, 1)
ONE = np.ones(1, np.float32)
BIPOLAR = parse_code("odd1")


@dataclass(frozen=True)
class Tensor:
    """`f32(value - zero) * scale + bias` in ONNX `shape`; `value` itself, f32 or integers, without a scale.

    The ONNX tensor is a row-major reshape of one of shape `base`, and `value` stores that with its axes
    in the order `axes`. The two shapes differ only after a flatten to two axes: the columns of `value`
    are then in the order of `columns`.
    """

    value: SSAValue
    base: tuple[int, ...]
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    scale: Array | None = None
    """f32 `[1]`, or a row along the ONNX axis `axis`."""
    bias: Array | None = None
    axis: int = 1
    zero: int = 0
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Zeros still to be put round the image (top, left, bottom, right): the next Conv does it."""

    @classmethod
    def plain(cls, value: SSAValue, shape: Sequence[int]) -> Tensor:
        """A tensor stored in ONNX order."""
        return cls(value, tuple(shape), tuple(range(len(shape))), tuple(shape))

    @property
    def element(self) -> Attribute:
        """Element type of the stored value."""
        return element_of(self.value.type)

    @property
    def flattened(self) -> bool:
        """Whether columns of a flattened image are out of ONNX order."""
        return self.base != self.shape

    @property
    def columns(self) -> Array:
        """ONNX column that each stored column of a flattened tensor holds."""
        inner = np.arange(prod(self.base[1:])).reshape(self.base[1:])
        return inner.transpose([axis - 1 for axis in self.axes[1:]]).ravel()

    def stored_axis(self, axis: int) -> int:
        """Where the value stores ONNX axis `axis`."""
        return axis if self.flattened else self.axes.index(axis)

    def holding(self, value: SSAValue, **changes: object) -> Tensor:
        """This tensor with another value of the same layout, by default one without quantisation."""
        clean: dict[str, object] = {"scale": None, "bias": None, "zero": 0, "axis": 1}
        return replace(self, value=value, **{**clean, **changes})

    @property
    def is_integers(self) -> bool:
        """Whether the value is integers as such, which a Cast or DequantizeLinear makes numbers."""
        return self.scale is None and self.element != f32

    @property
    def has_rows(self) -> bool:
        """Whether what its integers mean varies along `axis`."""
        return any(row is not None and row.size > 1 for row in (self.scale, self.bias))

    @property
    def is_codes(self) -> bool:
        """Whether the value is codes that mean `(value - zero) * scale`."""
        return isinstance(self.element, CodeType) and self.scale is not None and self.bias is None


@dataclass(frozen=True)
class Quantised:
    """The integers of a QuantizeLinear, `saturate(round(x / steps) + zero)`, not yet computed: a Clip may
    follow, and most become codes less their zero point."""

    x: Tensor
    scale: Array
    """What one step means; with as many axes as `x`, like `zero` and `steps`, or one number."""
    zero: Array
    bounds: tuple[int, int]
    steps: Array
    """What `x` is divided by: the scale, or 1 where `x` counts steps already."""

    @property
    def shape(self) -> tuple[int, ...]:
        """ONNX shape."""
        return self.x.shape


Value = Tensor | Constant | Quantised


def is_row_major(shape: Sequence[int], axes: Sequence[int]) -> bool:
    """Whether storing `shape` with axes in this order moves only axes of extent 1."""
    moved = [axis for axis in axes if shape[axis] != 1]
    return moved == sorted(moved)


def code_for(low: int, high: int) -> CodeType | None:
    """The code type of fewest planes that holds `low..high`; None above 8 bits."""
    if (low, high) == (-1, 1):
        return TernaryType()
    for bits in range(1, 9):
        for code in (parse_code(f"uint{bits}"), parse_code(f"int{bits}")):
            if code.minimum <= low and high <= code.maximum:
                return code
    return None


def constant_code(constant: Constant) -> CodeType | None:
    """The narrowest code type for the declared bounds of known integers; bipolar if all are -1 or 1."""
    values = constant.values
    if np.all(np.abs(values.astype(np.int32)) == 1):
        return BIPOLAR
    low, high = constant.bounds or (int(values.min()), int(values.max()))
    return code_for(low, high) or code_for(int(values.min()), int(values.max()))


def in_signs(constant: Constant, axis: int) -> Constant:
    """f32 that are -1, 0 or 1 times a number for each position of an axis as those and that scale.

    So are the weights of binary networks that were exported without a quantiser.
    """
    values = constant.values
    if constant.scale is not None or values.dtype != np.float32 or values.size == 0:
        return constant
    others = tuple(at for at in range(values.ndim) if at != axis)
    sizes = np.abs(values)
    scale = sizes.max(axis=others, keepdims=True)
    if not np.all(np.isfinite(scale) & ((sizes == scale) | (sizes == 0))):
        return constant
    return Constant(
        np.sign(values).astype(np.int8), (-1, 1), np.where(scale > 0, scale, np.float32(1))
    )
