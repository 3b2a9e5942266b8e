"""What a call takes and what it is made of: arguments matched with parameters, packed ones, bound ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, cast

import numpy as np

from lowbit.arrays import Intake, as_array
from lowbit.shown import counted
from lowbit.signature import Signature
from lowbit_dialect.layout import Array, Layout, ShapedValue, layout_of, storage_of
from lowering.aligned import aligned_copy

Store = Callable[[Intake, Any], Array]
"""How an argument becomes the array that generated code reads."""


@dataclass(frozen=True, repr=False)
class Packed:
    """Constant inputs in the form that a kernel reads; made by `Kernel.pack`."""

    arrays: tuple[Array, ...]
    """The results of packing."""
    plain: Mapping[str, Array]
    """Constant inputs that the kernel reads as they stand, by name."""
    form: tuple[str, ...]
    """What kind of kernel reads this: its parameters, and how it packs."""

    def __repr__(self) -> str:
        size = sum(array.nbytes for array in (*self.arrays, *self.plain.values()))
        return f"<Packed: {counted(len(self.arrays) + len(self.plain), 'array')}, {size} bytes>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _packed, (self.arrays, dict(self.plain), self.form)

    def __deepcopy__(self, memo: dict[int, Any]) -> Packed:
        return _packed(self.arrays, self.plain, self.form)


def _packed(arrays: Sequence[Array], plain: Mapping[str, Array], form: tuple[str, ...]) -> Packed:
    """A copy in memory that is aligned as a kernel expects, which copies of arrays are not."""
    aligned = {name: aligned_copy(array) for name, array in plain.items()}
    return Packed(tuple(map(aligned_copy, arrays)), aligned, deepcopy(form))


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

    def __repr__(self) -> str:
        results = ", ".join(f"{'x'.join(map(str, y.shape))} of {y.dtype}" for y in self.results)
        return f"<Bound: {counted(len(self.arrays), 'array')}, writes {results}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a bound call is about memory of this process: copy the kernel and bind it")


class Arguments:
    """How the arguments of calls become the arrays that the generated function takes."""

    def __init__(self, signature: Signature):
        parameters = signature.main.parameters
        self.form = (*(str((p.name, p.type)) for p in parameters), signature.packing)
        """What packed inputs must have been made for."""
        intakes = {one.name: Intake(one.name, one.type) for one in signature.inputs}
        self.constants = {one.name: intakes[one.name] for one in signature.constants}
        """The inputs that are packed ahead."""
        self._all = intakes
        self._others = {n: one for n, one in intakes.items() if n not in self.constants}
        self._parameters = tuple((p.packed, p.name) for p in parameters)

    def arrays(
        self,
        given: Sequence[Any],
        named: Mapping[str, Any],
        store: Store,
        pack: Callable[[Mapping[str, Array]], Packed],
    ) -> list[Array]:
        """The array of each parameter; raises ValueError naming an argument that does not fit."""
        held = None
        for one in (*given, *named.values()):
            if isinstance(one, Packed):
                if held is not None:
                    raise ValueError("the constant inputs come as one Packed, not several")
                held = one
        if held is not None:
            if held.form is not self.form and held.form != self.form:
                raise ValueError("the Packed inputs come from another kernel: use this one's pack")
            given = [one for one in given if one is not held]
            named = {name: one for name, one in named.items() if one is not held}
            values = match_inputs(self._others, given, named)
        else:
            values = match_inputs(self._all, given, named)
            held = pack({n: one.checked(values[n]) for n, one in self.constants.items()})
        return [
            held.arrays[index]
            if index is not None
            else held.plain[name]
            if name in held.plain
            else store(self._all[name], values[name])
            for index, name in self._parameters
        ]


def match_inputs(
    names: Mapping[str, object], arrays: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Each input by name, from arrays in order and by name; raises ValueError for one too many or few."""
    given = dict(zip(names, arrays))
    if len(arrays) == len(names) and not named:
        return given
    listed = ", ".join(names) or "nothing"
    if len(arrays) > len(names):
        raise ValueError(f"takes {len(names)} arrays ({listed}), not {len(arrays)}")
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


def in_place(intake: Intake, values: Any) -> Array:
    """The memory of `values` itself; converted only if it is decoded and the type has a layout.

    Raises ValueError that says why it cannot be read where it lies.
    """
    name, type = intake.name, intake.type
    layout = layout_of(type)
    if isinstance(values, np.ndarray) or hasattr(values, "__dlpack__"):
        values = as_array(name, values)
        if misfit(values, type) is None and not (layout and _looks_decoded(layout, type)):
            return values
    if layout is not None:
        return intake.stored(values)
    raise ValueError(
        f"argument '{name}' is not {wanted(type)}: {misfit(values, type)}, and a bound call copies nothing: "
        "convert it before"
    )


def result_place(values: Any, type: ShapedValue) -> Array:
    """The memory that a result is written to; raises ValueError that says why it cannot be."""
    dense = isinstance(values, np.ndarray) or hasattr(values, "__dlpack__")
    place = cast(Array, as_array("out", values) if dense else values)
    reason = misfit(place, type)
    if reason is None and not place.flags.writeable:
        reason = "it is read-only"
    if reason is not None:
        raise ValueError(f"out is not {wanted(type)}: {reason}")
    return place


def misfit(values: Any, type: ShapedValue) -> str | None:
    """Why memory does not store `type` as it stands; None if it does."""
    shape, dtype = storage_of(type)
    if not isinstance(values, np.ndarray):
        return f"it is a {values.__class__.__name__}"
    array = cast(Array, values)
    if array.shape != shape:
        return f"its shape is {'x'.join(map(str, array.shape)) or '()'}"
    if array.dtype != dtype:
        return f"it holds {array.dtype}"
    if not array.flags.c_contiguous:
        return "it is strided"
    return None if array.flags.aligned else "it is not aligned"


def wanted(type: ShapedValue) -> str:
    """What array stores `type`, in words."""
    shape, dtype = storage_of(type)
    return f"a C-contiguous array of {dtype} of shape {'x'.join(map(str, shape))}"


def _looks_decoded(layout: Layout, type: ShapedValue) -> bool:
    """Whether what is stored has the shape of decoded values in another order: a call takes it for those."""
    axes = [term.axis for term in layout.terms]
    return axes != list(range(len(axes))) and storage_of(type)[0] == tuple(type.get_shape())
