"""What a call takes and what it is made of: arrays matched with parameters, packed ones, bound ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from lowbit.arrays import checked
from lowbit_dialect.layout import Array, Layout, ShapedValue, layout_of, storage_of
from lowbit_dialect.storage import to_storage


@dataclass(frozen=True)
class Packed:
    """Constant inputs in the form that a kernel reads; made by `Kernel.pack`."""

    arrays: tuple[Array, ...]
    """The results of packing."""
    plain: Mapping[str, Array]
    """Constant inputs that the kernel reads as they stand, by name."""
    form: tuple[str, ...]
    """What kind of kernel reads this: its parameters, and how it packs."""


class Bound(partial[None]):
    """A call with everything decided: no checks, no allocation."""

    arrays: tuple[Array, ...]
    """Everything that the call reads or writes, kept alive."""
    results: tuple[Array, ...]
    """What it writes, as stored."""
    pointers: Any
    """Where the arrays lie, as the tasks read it; only there with a team."""
    team: Any
    """The tasks and threads that it runs on, kept alive; None for one thread."""


def addresses(arrays: Sequence[Array]) -> list[int]:
    """Where each array lies."""
    return [array.ctypes.data for array in arrays]


def match_inputs(
    names: Sequence[str], arrays: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Each input by name, from arrays in order and by name; raises ValueError for one too many or few."""
    listed = ", ".join(names) or "nothing"
    if len(arrays) > len(names):
        raise ValueError(f"takes {len(names)} arrays ({listed}), not {len(arrays)}")
    given = dict(zip(names, arrays))
    for name, array in named.items():
        if name not in names:
            raise ValueError(f"there is no argument '{name}': the kernel takes {listed}")
        if name in given:
            raise ValueError(f"argument '{name}' is given twice")
        given[name] = array
    missing = [name for name in names if name not in given]
    if missing:
        raise ValueError(f"argument '{missing[0]}' is missing: the kernel takes {listed}")
    return given


def fits(array: Any, type: ShapedValue) -> bool:
    """Whether an array stores `type` as it stands."""
    shape, dtype = storage_of(type)
    if not isinstance(array, np.ndarray):
        return False
    held = cast(Array, array)
    usable = held.flags.c_contiguous and held.flags.aligned
    return held.shape == shape and held.dtype == dtype and usable


def wanted(type: ShapedValue) -> str:
    """What array stores `type`, in words."""
    shape, dtype = storage_of(type)
    return f"a C-contiguous array of {dtype} of shape {'x'.join(map(str, shape))}"


def in_place(name: str, array: Any, type: ShapedValue) -> Array:
    """`array` itself; converted only if it is decoded and `type` has a layout. Raises ValueError."""
    layout = layout_of(type)
    if fits(array, type) and not (layout and _looks_decoded(layout, type)):
        return array
    if layout is not None:
        return to_storage(checked(name, array, type), type)
    raise ValueError(f"argument '{name}' is not {wanted(type)}")


def _looks_decoded(layout: Layout, type: ShapedValue) -> bool:
    """Whether what is stored has the shape of decoded values in another order: a call takes it for those."""
    axes = [term.axis for term in layout.terms]
    return axes != list(range(len(axes))) and storage_of(type)[0] == tuple(type.get_shape())
