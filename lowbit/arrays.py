"""Arrays at the border: what a caller may pass."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import Float32Type

from lowbit.element_types import spelling_of, value_bounds
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, ShapedValue, layout_of, storage_dtype
from lowbit_dialect.storage import to_storage


def as_array(name: str, values: Any) -> Array:
    """`values` as an array, where they lie if DLPack gives access; raises ValueError naming the argument."""
    try:
        if hasattr(values, "__dlpack__") and not isinstance(values, np.ndarray):
            return cast(Array, np.from_dlpack(values))
        return np.asarray(cast(Any, values))
    except (TypeError, ValueError, RuntimeError, BufferError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"argument '{name}' is no array: {reason:.200}") from error


def checked(name: str, values: Any, type: ShapedValue) -> Array:
    """`values` as an array of decoded elements of `type`, in the element's own dtype.

    Raises ValueError naming the argument unless shape, kind of dtype and every value fit.
    """
    return Intake(name, type).checked(values)


class Intake:
    """What one argument may be, worked out once, so that a call has little left to do."""

    def __init__(self, name: str, type: ShapedValue):
        self.name, self.type = name, type
        self.shape = tuple(type.get_shape())
        self.element = type.element_type
        self.dtype = storage_dtype(self.element)
        self._plain = layout_of(type) is None
        self._bounds = value_bounds(self.element)
        self._odd = isinstance(self.element, CodeType) and self.element.is_odd
        self._low, self._high = _needed_bounds(self._bounds, self.dtype)

    def stored(self, values: Any) -> Array:
        """The array that stores `values`, decoded ones, as generated code reads it."""
        array = self.checked(values)
        if not self._plain:
            return to_storage(array, self.type)
        if array.flags.c_contiguous and array.flags.aligned:
            return array
        return np.require(array, requirements=["C", "A"])

    def checked(self, values: Any) -> Array:
        """`values` as an array of decoded elements in the element's own dtype; raises ValueError."""
        if type(values) is np.ndarray:
            array: Array = values
            if array.dtype == self.dtype and array.shape == self.shape and self._holds(array):
                return array
        array = as_array(self.name, values)
        if array.shape != self.shape:
            raise ValueError(
                f"argument '{self.name}' has shape {_shape(array.shape)}, but the program takes "
                f"{_shape(self.shape)}"
            )
        if isinstance(self.element, Float32Type):
            self._check_floats(array)
        else:
            self._check_integers(array)
        return array.astype(self.dtype, copy=False)

    def _holds(self, array: Array) -> bool:
        """Whether every value of an array of the element's own dtype is one of the element's."""
        if not array.size:
            return True
        # Without `axis=` by name NumPy takes two thirds of the time.
        if self._high is not None and np.maximum.reduce(array, None) > self._high:
            return False
        if self._low is not None and np.minimum.reduce(array, None) < self._low:
            return False
        return not self._odd or bool(np.bitwise_and.reduce(array, None) & 1)

    def _check_floats(self, array: Array) -> None:
        if array.dtype.kind == "f" and array.dtype.itemsize <= 4:
            return
        advice = ": convert it" if array.dtype.kind == "f" else ""
        raise ValueError(
            f"argument '{self.name}' holds {array.dtype}, but the program takes float32{advice}"
        )

    def _check_integers(self, array: Array) -> None:
        spelling = spelling_of(self.element)
        if array.dtype.kind not in "iu":
            raise ValueError(
                f"argument '{self.name}' holds {array.dtype}, but {spelling} takes integers"
            )
        if not array.size or self._bounds is None:
            return
        (least, most), low, high = self._bounds, int(array.min()), int(array.max())
        if low < least or high > most:
            raise ValueError(
                f"argument '{self.name}' holds values {low}..{high}, but {spelling} is {least}..{most}"
            )
        if self._odd and not np.bitwise_and.reduce(array, None) & 1:
            even = int(array[array & 1 == 0].flat[0])
            raise ValueError(
                f"argument '{self.name}' holds {even}, but {spelling} is odd integers only"
            )


def _needed_bounds(
    bounds: tuple[int, int] | None, dtype: np.dtype[Any]
) -> tuple[int | None, int | None]:
    """The bounds that values of a dtype can break."""
    if bounds is None:
        return None, None
    held = np.iinfo(dtype)
    low, high = bounds
    return low if held.min < low else None, high if held.max > high else None


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "()"
