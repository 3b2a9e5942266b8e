"""A function as a problem: what its ops may run by, and what its values are converted for.

Each `conv2d` and `dense` is a node with its `Choices`, each value one with what its readers may
`Want`: ops cost their predicted seconds, and between them and values stand the conversions that `lowbit-pack`
inserts, each once however many read it. A choice is only possible together with a want that allows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from xdsl.dialects.builtin import TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue

from autotune.choices import Choice
from autotune.machine_table import MachineTable
from autotune.pbqp import Costs, Problem
from autotune.preparing import converting
from autotune.storing import Form, Stored, gathers, stored, wanted_by
from lowbit_dialect.attributes import CONSTANT
from lowbit_dialect.interface import argument_attributes
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import shaped, tensor_of
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.preconditions import block_of
from microkernels.target import Target

Taken = tuple[Form, bool]
"""The layout that an op reads, and whether it gathers windows of that before it runs."""


@dataclass(frozen=True)
class Layer:
    """An op, and what it may run by."""

    op: LinearOp
    choices: tuple[Choice, ...]

    @property
    def packs(self) -> list[bool]:
        """Of each choice whether it can write planes."""
        return [one.packs for one in self.choices]

    @property
    def takes(self) -> list[Taken]:
        """How each choice takes its input."""
        return [(one.reads, gathers(self.op, one.schedule.algorithm)) for one in self.choices]


@dataclass(frozen=True)
class Want:
    """The layouts that readers want together, and how the last of them takes its own, kept longest."""

    forms: frozenset[Form] = frozenset()
    last: Taken | None = None

    def allows(self, taken: Taken, *, last: bool) -> bool:
        """Whether a reader may take it so, the last one or another."""
        return taken == self.last if last else taken[0] in self.forms


@dataclass(frozen=True)
class Value:
    """A value that is computed or given, and what its readers may want."""

    value: SSAValue
    wants: tuple[Want, ...]
    last: LinearOp | None
    """The layer that reads it last."""
    always: frozenset[Form]
    """Layouts that others read than the layers."""
    plain: bool
    """Whether one of those reads it by its type."""

    def stored(self, want: Want, *, packs: bool) -> Stored:
        """How it is stored for readers who want some layouts."""
        forms = want.forms
        plain = self.plain or layout_of(shaped(self.value)) in forms
        return stored(self.value, sorted(forms | self.always, key=str), packs=packs, plain=plain)


class Network:
    """The ops of a function and the values between them, as a problem: layers are its first nodes."""

    def __init__(
        self,
        func: FuncOp,
        layers: Sequence[Layer],
        machine: MachineTable,
        core: Target,
        threads: int = 1,
    ):
        self.func, self.layers = func, tuple(layers)
        self._machine, self._core, self._threads = machine, core, threads
        self.at: dict[Operation | Block, int] = {layer.op: at for at, layer in enumerate(layers)}
        """The place of each op among the layers."""
        self.values = tuple(map(self._value, values_of(func)))
        self.problem = self._problem()

    def schedules(self, choice: Sequence[int]) -> tuple[Schedule, ...]:
        """What a choice for each node has ops run by."""
        return tuple(layer.choices[at].schedule for layer, at in zip(self.layers, choice))

    def _value(self, value: SSAValue) -> Value:
        readers: list[int] = []
        always: set[Form] = set()
        for use in value.uses:
            if use.operation in self.at and use.index == 0:
                readers.append(self.at[use.operation])
            else:
                always.add(wanted_by(use))
        wants = {Want()}
        for layer in map(self.layers.__getitem__, sorted(readers)):
            wants = {
                Want(before.forms | {taken[0]}, taken)
                for before in wants
                for taken in set(layer.takes)
            }
        plain = (given := layout_of(shaped(value))) in always
        always.discard(given)
        ordered = sorted(wants, key=lambda one: (sorted(map(str, one.forms)), str(one.last)))
        last = self.layers[max(readers)].op if readers else None
        return Value(value, tuple(ordered), last, frozenset(always), plain)

    def _problem(self) -> Problem:
        nodes: list[Costs] = [
            np.array([one.seconds for one in layer.choices]) for layer in self.layers
        ]
        edges: dict[tuple[int, int], Costs] = {}
        for number, value in enumerate(self.values, len(nodes)):
            costs = {packs: self._converted(value, packs=packs) for packs in (False, True)}
            writer = self.at.get(value.value.owner)
            nodes.append(np.zeros(len(value.wants)) if writer is not None else costs[False])
            if writer is not None:
                edges[writer, number] = np.array([costs[one] for one in self.layers[writer].packs])
            for use in value.value.uses:
                if (reader := self.at.get(use.operation)) is not None and use.index == 0:
                    last = use.operation is value.last
                    may = [
                        [want.allows(taken, last=last) for want in value.wants]
                        for taken in self.layers[reader].takes
                    ]
                    edges[reader, number] = np.where(may, 0.0, inf)
        return Problem(nodes, edges)

    def _converted(self, value: Value, *, packs: bool) -> Costs:
        """Seconds of the conversions of a value, for whatever its readers want."""
        type = tensor_of(value.value)
        return np.array(
            [
                sum(
                    converting(type, *one, self._machine, self._core)
                    for one in value.stored(want, packs=packs).conversions
                )
                for want in value.wants
            ]
        ) / (self._machine.clock * self._threads)


def values_of(func: FuncOp) -> list[SSAValue]:
    """The tensors that a function is given or computes; constants are packed ahead."""
    block = block_of(func)
    given = [
        arg for arg, marks in zip(block.args, argument_attributes(func)) if CONSTANT not in marks
    ]
    made = [result for op in block.ops if not isinstance(op, ConstantOp) for result in op.results]
    return [value for value in (*given, *made) if isinstance(value.type, TensorType)]


def linears_of(func: FuncOp) -> list[LinearOp]:
    """The ops of a function that take a schedule."""
    return [op for op in block_of(func).ops if isinstance(op, LinearOp)]
