"""A function as a problem: what its ops may run by, and what its values are converted for.

Each `conv2d` and `dense` is a node with its `Choices`, each value one with the sets of layouts that its
readers may want: ops cost their predicted seconds, and between them and values stand the conversions that
`lowbit-pack` inserts, each once however many read it. A choice is only possible together with a set that has
the layout which it reads.
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
from autotune.storing import Form, Stored, stored, wanted_by
from lowbit_dialect.attributes import CONSTANT
from lowbit_dialect.interface import argument_attributes
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import shaped, tensor_of
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.preconditions import block_of
from microkernels.target import Target

Forms = frozenset[Form]


@dataclass(frozen=True)
class Layer:
    """An op, and what it may run by."""

    op: LinearOp
    choices: tuple[Choice, ...]

    @property
    def packs(self) -> list[bool]:
        """Of each choice whether it can write planes."""
        return [one.packs for one in self.choices]


@dataclass(frozen=True)
class Value:
    """A value that is computed or given, and the sets of layouts that its readers may want together."""

    value: SSAValue
    wants: tuple[Forms, ...]
    always: Forms
    """Layouts that others read than the layers."""
    plain: bool
    """Whether one of those reads it by its type."""

    def stored(self, wants: Forms, *, packs: bool) -> Stored:
        """How it is stored for readers who want some layouts."""
        plain = self.plain or layout_of(shaped(self.value)) in wants
        return stored(self.value, sorted(wants | self.always, key=str), packs=packs, plain=plain)


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
        wants: set[Forms] = {frozenset()}
        always: set[Form] = set()
        for use in value.uses:
            if use.operation in self.at and use.index == 0:
                forms = {one.reads for one in self.layers[self.at[use.operation]].choices}
                wants = {before | {form} for before in wants for form in forms}
                continue
            always.add(wanted_by(use))
        plain = (given := layout_of(shaped(value))) in always
        always.discard(given)
        ordered = sorted(wants, key=lambda one: sorted(map(str, one)))
        return Value(value, tuple(ordered), frozenset(always), plain)

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
                    reads = [one.reads for one in self.layers[reader].choices]
                    has = [[form in wants for wants in value.wants] for form in reads]
                    edges[reader, number] = np.where(has, 0.0, inf)
        return Problem(nodes, edges)

    def _converted(self, value: Value, *, packs: bool) -> Costs:
        """Seconds of the conversions of a value, for each set of layouts."""
        type = tensor_of(value.value)
        return np.array(
            [
                sum(
                    converting(type, *one, self._machine, self._core)
                    for one in value.stored(wants, packs=packs).conversions
                )
                for wants in value.wants
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
