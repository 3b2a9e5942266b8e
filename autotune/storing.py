"""How a value is stored for those who read it: which conversions `lowbit-pack` inserts, by what is asked for.

`lowering.packing.layout_assignment` rewrites a function one op at a time; here is what comes of that for one
value, as a function of the layouts that its readers want and of whether its writer can store planes. A
conversion is made once, whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.dialects.func import ReturnOp
from xdsl.ir import SSAValue, Use

from lowbit_dialect.layout import Layout, layout_of
from lowbit_dialect.ops.common import shaped, spatial_axes
from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.elementwise import ElementwiseOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.pool import PoolOp
from lowering.lowbit_pack import axes_of
from lowering.packing.collapsing import has_channels_within
from lowering.packing.im2col import has_planes
from lowering.packing.layout_assignment import WRITERS, Storage, rows_of
from microkernels.interface import Microkernel
from microkernels.legality import executed

Form = Layout | None
"""How a value is stored; None is plain row-major."""
Conversion = tuple[Form, Form]
"""From what, and to what."""


@dataclass(frozen=True)
class Stored:
    """How a value is stored."""

    first: Form
    """As its writer stores it."""
    conversions: tuple[Conversion, ...]


def gathers(op: LinearOp, algorithm: str | None) -> bool:
    """Whether an op reads windows that are gathered before."""
    return algorithm == "im2col" and op.contraction != op.contraction.gathered


def wanted(op: LinearOp, kernel: Microkernel, algorithm: str) -> Form:
    """The layout in which a `conv2d` or `dense` reads its input, or in which im2col gathers from it."""
    work, type = op.contraction, shaped(op.input)
    layout = kernel.input_layout(executed(work, algorithm))
    if gathers(op, algorithm):
        if not (layout.encoded and has_planes(op.input)):
            return Storage.channels_last(type, work.input_axes)
        layout = Layout.row_planes(work.input_axes)
    return Storage.kept(layout, type.element_type)


def laid_out(use: Use) -> bool:
    """Whether a value is laid out for one reader, as weights and tables are, which is in no prediction."""
    op = use.operation
    if isinstance(op, ElementwiseOp):
        return use.index > 0 and op.operands[use.index] in op.tables
    return isinstance(op, LinearOp) and use.index > 0


def wanted_by(use: Use) -> Form:
    """The layout in which any other reader has a value: no schedule changes it."""
    op, around = use.operation, use.operation.parent_op()
    type = shaped(op.operands[use.index])
    if laid_out(use):
        return layout_of(type)
    match op:
        case ReturnOp():
            return layout_of(type)
        case ConversionOp():
            return layout_of(shaped(op.results[0]))
        case PoolOp():
            return Storage.channels_last(type, (0, *spatial_axes(op.format.data)))
        case ElementwiseOp() if isinstance(around, LinearOp):
            return Storage.channels_last(type, around.contraction.input_axes)
        case ElementwiseOp() if not has_channels_within(op):
            return Storage.channels_last(type, axes_of(op))
        case _:
            return None


def stored(value: SSAValue, wants: Iterable[Form], *, packs: bool, plain: bool) -> Stored:
    """How a value is stored for readers who want it so, its writer being one that `packs` or not.

    With `plain` some read it as it is by its type, and ask for no conversion.
    """
    type = shaped(value)
    given, axes = layout_of(type), _written(value)
    made: dict[Form, Form] = {}
    for one in wants:
        _convert(value, one, made)
    if axes is None:
        return Stored(given, _ordered(made))
    rows, natural = Layout.row_planes(axes), Storage.channels_last(type, axes)
    straight = {form for form, source in made.items() if source == given}
    if plain:
        straight.add(given)
    if packs and (given == rows or (given is None and straight == {rows})):
        return Stored(rows, _ordered(made, given, rows))
    if natural != given and plain:
        made[given] = natural
    return Stored(natural, _ordered(made, given, natural))


def _convert(value: SSAValue, form: Form, made: dict[Form, Form]) -> None:
    """Add to what is `made` of a value a form of it, and what that is made from."""
    given = layout_of(shaped(value))
    if form == given or form in made:
        return
    source, rows = given, rows_of(form) if form is not None else None
    if rows not in (None, given):
        source = rows
    elif form is not None and form.packed and not isinstance(value.owner, WRITERS):
        axes = form.row_axes
        if axes is not None and given is None:
            source = Storage.channels_last(shaped(value), axes)
    _convert(value, source, made)
    made[form] = source


def _ordered(
    made: dict[Form, Form], given: Form = None, first: Form = None
) -> tuple[Conversion, ...]:
    """The conversions, those from what was `given` now being from the `first` form."""
    moved = ((first if source == given else source, form) for form, source in made.items())
    return tuple((source, form) for source, form in moved if source != form)


def _written(value: SSAValue) -> tuple[int, ...] | None:
    """The order of the axes in which the writer of a value goes through it; None if it does not say."""
    match value.owner:
        case LinearOp() as op:
            return op.contraction.input_axes
        case PoolOp() as op:
            return (0, *spatial_axes(op.format.data))
        case ElementwiseOp() as op if not has_channels_within(op):
            return axes_of(op)
        case _:
            return None
