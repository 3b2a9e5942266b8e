"""Where values are stored: conversions between layouts, made once, and results written as users want them."""

from __future__ import annotations

from typing import Any

from xdsl.dialects.builtin import IntegerType, f32
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from lowbit_dialect.layout import (
    Layout,
    Term,
    layout_of,
    plain,
    storage_dtype,
    whole_axes,
    with_layout,
)
from lowbit_dialect.ops.common import shaped, tensor_of
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.conversions import ConversionOp, convert_layout
from lowbit_dialect.ops.elementwise import ElementwiseOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.pool import PoolOp
from lowbit_dialect.reference import MEANING, evaluate_op


def rows_of(layout: Layout) -> Layout | None:
    """The planes in rows of 32-bit words that `layout` is prepared from; None if it is not."""
    word = layout.word_term
    if word is None or not (layout.table or word.chain[:1] == (("in", 16),)):
        return None
    leading = whole_axes(term for term in layout.terms if term.axis not in (None, word.axis))
    if leading is None or word.axis is None:
        return None  # weights
    return Layout.row_planes((*leading, word.axis))


def fold_constant(op: Operation) -> Operation:
    """A constant with the value of `op` if its operands are constants, else `op`."""
    owners = [value.owner for value in op.operands]
    if not all(isinstance(owner, ConstantOp) for owner in owners) or type(op) not in MEANING:
        return op
    values = {v: o.array() for v, o in zip(op.operands, owners) if isinstance(o, ConstantOp)}
    return ConstantOp.of(evaluate_op(op, values), shaped(op.results[0]).element_type)


WRITERS = (ConstantOp, LinearOp, PoolOp, ElementwiseOp)
"""Ops that store their results as they are wanted, or channels last."""


class Storage:
    """Lays out the values of one function."""

    def __init__(self) -> None:
        self._converted: dict[tuple[SSAValue, Layout | None], SSAValue] = {}

    def stored(self, value: SSAValue, layout: Layout | None) -> SSAValue:
        """`value` in `layout`, by a conversion right after it if it is not stored so already."""
        type = shaped(value)
        layout = self.kept(layout, type.element_type)
        if layout_of(type) == layout:
            return value
        key = (value, layout)
        if key not in self._converted:
            self._converted[key] = self._convert(value, layout)
        return self._converted[key]

    @staticmethod
    def channels_last(type: Any, axes: tuple[int, ...]) -> Layout | None:
        """Layout of unpacked elements with the channels innermost; None if they lie so anyway."""
        if axes[-1] == type.get_num_dims() - 1:
            return None
        dtype = storage_dtype(type.element_type)
        word = f32 if dtype.kind == "f" else IntegerType(8 * dtype.itemsize)
        return Layout(tuple(Term(axis) for axis in axes), word)

    @staticmethod
    def kept(layout: Layout | None, element: Any) -> Layout | None:
        """A layout as types carry it: None for one that stores elements as none does."""
        return None if plain(layout, element) else layout

    def _convert(self, value: SSAValue, layout: Layout | None) -> SSAValue:
        rows = rows_of(layout) if layout is not None else None
        if rows not in (None, layout_of(shaped(value))) and not isinstance(value.owner, ConstantOp):
            # What is prepared from planes in rows starts there: the producer may store those itself.
            value = self.stored(value, rows)
        elif layout is not None and layout.packed and not isinstance(value.owner, WRITERS):
            value = self._in_order(value, layout)
        owner = value.owner
        if isinstance(owner, ConstantOp):
            type = tensor_of(value)
            op: Operation = ConstantOp(owner.value, with_layout(type, layout))
        else:
            found = convert_layout(value, layout)
            assert found is not None
            op = found
        if name := value.name_hint:
            prepared = f"{name.removesuffix('_packed')}_prepared"
            op.results[0].name_hint = prepared if name.endswith("_packed") else f"{name}_packed"
        where = (
            InsertPoint.after(owner)
            if isinstance(owner, Operation)
            else InsertPoint.at_start(owner)
        )
        Rewriter.insert_op(op, where)
        return op.results[0]

    def _in_order(self, value: SSAValue, layout: Layout) -> SSAValue:
        """Elements of `value` in the order in which `layout` has planes in rows: packing is quick then."""
        axes, name = layout.row_axes, value.name_hint
        if axes is None or layout_of(shaped(value)) is not None:
            return value
        turned = self.stored(value, self.channels_last(shaped(value), axes))
        if name and turned is not value:
            turned.name_hint = f"{name}_turned"
        return turned

    def output(self, op: Operation, axes: tuple[int, ...], *, packs: bool) -> None:
        """Let an op write what it can, and convert for everyone who wants something else.

        It can write packed planes if it `packs`.
        """
        type = tensor_of(op.results[0])
        wanted, natural = layout_of(type), self.channels_last(type, axes)
        rows = Layout.row_planes(axes)
        if packs and (wanted == rows or (wanted is None and self._write_planes(op, rows))):
            return
        if natural != wanted:
            self._write(op, natural, wanted)
            wanted = natural
        if wanted is None and packs:
            self._write_planes(op, rows)

    def _write(self, op: Operation, natural: Layout | None, wanted: Layout | None) -> None:
        """Make `op` store `natural`, which conversions start from, and convert it for its other users."""
        result = op.results[0]
        result = Rewriter.replace_value_with_new_type(
            result, with_layout(tensor_of(result), natural)
        )
        if any(not isinstance(use.operation, ConversionOp) for use in result.uses):
            conversion = convert_layout(result, wanted)
            assert conversion is not None
            Rewriter.insert_op(conversion, InsertPoint.after(op))
            result.replace_uses_with_if(
                conversion.results[0], lambda use: not isinstance(use.operation, ConversionOp)
            )
            self._converted[result, wanted] = conversion.results[0]
        for user in [use.operation for use in result.uses]:
            if layout_of(shaped(user.results[0])) == natural:
                Rewriter.replace_op(user, [], [result])

    def _write_planes(self, op: Operation, rows: Layout) -> bool:
        """If every user packs the result in the same way, write it packed; return whether that is so."""
        result = op.results[0]
        users = [use.operation for use in result.uses]
        kinds = {
            layout_of(shaped(user.results[0])) if isinstance(user, ConversionOp) else None
            for user in users
        }
        if not users or kinds != {rows}:
            return False
        result = Rewriter.replace_value_with_new_type(result, with_layout(tensor_of(result), rows))
        for user in users:
            Rewriter.replace_op(user, [], [result])
        return True
