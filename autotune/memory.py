"""The arena that choices of schedules need: at each time at least, and really, by the passes that plan it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    ModuleOp,
    TensorType,
    UnitAttr,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue

from autotune.capacity import Space
from autotune.choices import Choice
from autotune.network import Network, Value, Want
from autotune.storing import Form, gathers, laid_out, wanted_by
from lowbit_dialect.attributes import ARENA, CONSTANT
from lowbit_dialect.interface import argument_attributes, whole
from lowbit_dialect.layout import layout_of, storage_bytes, with_layout
from lowbit_dialect.ops.common import shaped, tensor_of
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.reshaping import ReshapeOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr
from lowering.aligned import ALIGNMENT
from lowering.lowbit_bufferize import LowbitBufferizePass
from lowering.lowbit_pack import LowbitPackPass
from lowering.preconditions import block_of
from lowering.rebuild import rebuild
from microkernels.table import find_kernel
from microkernels.target import Target

_CONSTANT = DictionaryAttr({CONSTANT: UnitAttr()})


class Memory:
    """What the choices of a network take of the arena."""

    def __init__(self, network: Network, target: Target):
        self._network, self._target = network, target
        self._skeleton = without_constants(network.func)
        ops = list(block_of(network.func).ops)
        self._order: dict[Operation, int] = {op: place for place, op in enumerate(ops)}
        layers = [[self._layer(layer.op, one) for one in layer.choices] for layer in network.layers]
        values = [[self._least(value, want) for want in value.wants] for value in network.values]
        self.spaces: list[Space] = [*map(np.array, layers), *map(np.array, values)]
        """Of each node of the problem at least, before each op and while it runs: gaps come on top."""
        self._known: dict[tuple[Schedule, ...], int] = {}

    def needs(self, choice: Sequence[int]) -> int:
        """Bytes of the arena if ops run by a choice, as the passes plan it."""
        schedules = self._network.schedules(choice)
        if schedules not in self._known:
            self._known[schedules] = planned_arena(self._skeleton, schedules, self._target)
        return self._known[schedules]

    def _none(self) -> Space:
        return np.zeros(2 * len(self._order), np.int64)

    def _layer(self, op: LinearOp, choice: Choice) -> Space:
        """What an op takes for windows or strips of tables, which it alone reads."""
        taken, at = self._none(), 2 * self._order[op]
        if gathers(op, choice.schedule.algorithm):
            taken[at], taken[at + 1] = _gathered(op, choice, self._target)
        elif choice.schedule.tables == "strips":
            kernel = find_kernel(choice.schedule.microkernel or "", self._target)
            tables = kernel.input_layout(op.contraction)
            taken[at : at + 2] = _size(with_layout(tensor_of(op.input), tables))
        return taken

    def _least(self, value: Value, want: Want) -> Space:
        """What a value takes that is stored for some layouts, whichever of its writer's choices that is."""
        writer = self._network.at.get(value.value.owner)
        able = {False} if writer is None else set(self._network.layers[writer].packs)
        return np.min([self._stored(value, want, packs=packs) for packs in able], axis=0)

    def _stored(self, value: Value, want: Want, *, packs: bool) -> Space:
        type, owner, how = (
            tensor_of(value.value),
            value.value.owner,
            value.stored(want, packs=packs),
        )
        made = self._order[owner] if isinstance(owner, Operation) else -1
        last, returned = self._read(value, want)
        for source, form in reversed(how.conversions):
            if form is not None and form.table:  # they may be made when they are read
                last[source] = max(last.get(source, -1), last.get(form, -1))
        taken = self._none()
        for form in (how.first, *(form for _, form in how.conversions)):
            given = form == how.first and (made < 0 or isinstance(owner, ReshapeOp))
            if not given and not (returned and form == layout_of(type)):
                start = 2 * made + 1 + (form != how.first)
                taken[start : max(2 * made + 1, last.get(form, -1)) + 1] += _size(
                    with_layout(type, form)
                )
        return taken

    def _read(self, value: Value, want: Want) -> tuple[dict[Form, int], bool]:
        """The last time at which each layout of a value is read at least, and whether it is returned."""
        last: dict[Form, int] = {}
        may: dict[Form, int] = {}
        returned = False
        for use in value.value.uses:
            if laid_out(use):
                continue
            at = self._order[_top(use.operation, self._order)]
            layer = self._network.at.get(op := use.operation)
            if layer is None or use.index != 0 or not isinstance(op, LinearOp):
                returned |= isinstance(op, ReturnOp)
                form = wanted_by(use)
                last[form] = max(2 * at + 1, last.get(form, -1))
                continue
            times: dict[Form, int] = {}
            for form, gathered in self._network.layers[layer].takes:
                if want.allows((form, gathered), last=op is value.last):
                    time = 2 * at + (-1 if gathered else 1)
                    times[form] = min(time, times.get(form, time))
            for form, time in times.items():
                if len(times) == 1:
                    last[form] = max(time, last.get(form, -1))
                else:  # another reader may be the one that wants it
                    may[form] = min(time, may.get(form, time))
        return {
            form: max(last.get(form, -1), may.get(form, -1)) for form in {*last, *may}
        }, returned


def _top(op: Operation, order: Mapping[Operation, int]) -> Operation:
    """The op of the function that an op of an epilogue belongs to."""
    while op not in order:
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op


def _size(type: TensorType[Any]) -> int:
    """Bytes that a tensor takes of an arena."""
    return -(-storage_bytes(type) // ALIGNMENT) * ALIGNMENT


def _gathered(op: LinearOp, choice: Choice, target: Target) -> tuple[int, int]:
    """Bytes that the windows of an op take at most while they are gathered, and while it runs."""
    type = with_layout(tensor_of(op.input), choice.reads)
    block = Block(arg_types=[type, op.weights.type])
    result = TensorType(op.accumulator, shaped(op.results[0]).get_shape())
    operands: Mapping[str, SSAValue] = {"input": block.args[0], "weights": block.args[1]}
    alone = rebuild(op, result, regions=[Region()], operands=operands)
    alone.properties["schedule"] = ScheduleAttr(choice.schedule)
    block.add_ops([alone, ReturnOp(alone.results[0])])
    marks = ArrayAttr([DictionaryAttr({}), _CONSTANT])
    func = FuncOp("main", ([*block.arg_types], [result]), Region(block), arg_attrs=marks)
    module = ModuleOp([func])
    LowbitPackPass(str(target)).apply(Context(), module)
    most, sizes = 0, dict[SSAValue, int]()
    for step in block_of(func).ops:
        read = sum(sizes.get(value, 0) for value in step.operands)
        if isinstance(step, LinearOp):
            return most, read
        (value,) = step.results
        sizes[value] = read if isinstance(step, ReshapeOp) else _size(tensor_of(value))
        most = max(most, read + sizes[value])
    raise AssertionError("a function of one op has that")


def without_constants(func: FuncOp) -> FuncOp:
    """A copy of a function with arguments for constants, so that it takes no time to pack them."""
    copy, marks = func.clone(), [DictionaryAttr(dict(one)) for one in argument_attributes(func)]
    block = block_of(copy)
    for op in [op for op in block.ops if isinstance(op, ConstantOp)]:
        argument = block.insert_arg(op.result.type, len(block.args))
        op.result.replace_all_uses_with(argument)
        block.erase_op(op)
        marks.append(_CONSTANT)
    copy.properties["arg_attrs"] = ArrayAttr(marks)
    outputs = list(func.function_type.outputs)
    copy.properties["function_type"] = FunctionType.from_lists(list(block.arg_types), outputs)
    return copy


def planned_arena(func: FuncOp, schedules: Sequence[Schedule], target: Target) -> int:
    """Bytes of the arena of a function on tensors whose ops run by some schedules."""
    copy = func.clone()
    linears = [op for op in block_of(copy).ops if isinstance(op, LinearOp)]
    for op, schedule in zip(linears, schedules, strict=True):
        op.properties["schedule"] = ScheduleAttr(schedule)
    module = ModuleOp([copy])
    for one in (LowbitPackPass(str(target)), LowbitBufferizePass()):
        one.apply(Context(), module)
    return arena_of(copy)


def arena_of(func: FuncOp) -> int:
    """Bytes of the arena of a function on memrefs."""
    return sum(whole(marks, ARENA) for marks in argument_attributes(func) if ARENA in marks)
