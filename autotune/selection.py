"""`source=exact` of `lowbit-plan`: the schedules of all ops of a function together, proved to be the best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from time import perf_counter

from xdsl.dialects.func import FuncOp
from xdsl.utils.exceptions import PassFailedException

from autotune.capacity import Limited
from autotune.choices import Choice, Choices
from autotune.identity import machine_identity
from autotune.keys import key_of
from autotune.machine_table import MachineTable
from autotune.memory import Memory
from autotune.network import Layer, Network, linears_of
from autotune.pbqp import Solution, solve
from autotune.processors import table_of
from autotune.records import Library, record_files
from autotune.space import Space, reads_alone
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr
from lowering.packing.im2col import has_planes
from microkernels.target import Target

Times = Callable[[LinearOp], Mapping[Schedule, float]]
"""What schedules of an op were measured to take."""


@dataclass(frozen=True)
class Selection:
    """The best schedules of all ops of a function."""

    schedules: tuple[Schedule, ...]
    """Of each `conv2d` and `dense`, in order."""
    choices: tuple[int, ...]
    """How many each had."""
    seconds: float
    """What they cost together with conversions, as predicted."""
    bound: float
    """What no others cost less than."""
    solving: float
    """Seconds that it took to solve."""


class Selector:
    """Selects schedules for a target."""

    def __init__(
        self, target: Target, machine: MachineTable, threads: int = 1, times: Times = lambda op: {}
    ):
        self.target, self.machine, self.threads = target, machine, threads
        self._times = times
        self._known: dict[tuple[object, ...], tuple[Choice, ...]] = {}

    @classmethod
    def of(cls, target: Target, threads: int = 1) -> Selector:
        """One that goes by the shipped table of a target, and by what records have of this machine."""
        library, machine = Library(record_files()), machine_identity()

        def times(op: LinearOp) -> Mapping[Schedule, float]:
            refusal = Space(op, target, threads).refusal
            return library.times(op, target, machine, threads, refusal)

        return cls(target, table_of(target), threads, times)

    def pin(self, func: FuncOp, ram: int = 0) -> None:
        """Give the ops of a function the best schedules; raises PassFailedException where there are none."""
        try:
            schedules = self.select(func, ram).schedules
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        for op, schedule in zip(linears_of(func), schedules):
            # Whether threads share it out is decided as of any other schedule.
            parallel = op.schedule.data.parallel if op.schedule else None
            op.properties["schedule"] = ScheduleAttr(replace(schedule, parallel=parallel))

    def network(self, func: FuncOp, unpinned: LinearOp | None = None) -> Network:
        """The problem of a function, in which one op may keep nothing of what it pins.

        Raises ValueError naming an op that nothing executes.
        """
        layers = [self._layer(op, op is unpinned) for op in linears_of(func)]
        return Network(func, layers, self.machine, self.target, self.threads)

    def _layer(self, op: LinearOp, free: bool) -> Layer:
        pinned = op.schedule.data if op.schedule else Schedule()
        choices = self._found(op, pinned)
        if free:
            choices = tuple(dict.fromkeys((*choices, *self._found(op, Schedule()))))
        return Layer(op, choices)

    def _found(self, op: LinearOp, pinned: Schedule) -> tuple[Choice, ...]:
        """The choices of an op, which like ones share."""
        key = key_of(op), reads_alone(op), has_planes(op.input), pinned
        if key not in self._known:
            choices = Choices(op, self.target, self.machine, self.threads, self._times(op))
            try:
                self._known[key] = tuple(choices.find(pinned))
            except ValueError as error:
                raise ValueError(f"'{op.name}': {error}") from error
        return self._known[key]

    def select(self, func: FuncOp, ram: int = 0, unpinned: LinearOp | None = None) -> Selection:
        """The best schedules for a function, whose arena has at most so many bytes of `ram` unless it is 0.

        Raises ValueError where none needs so little.
        """
        network = self.network(func, unpinned)
        started = perf_counter()
        found = solve(network.problem) if not ram else self._within(network, ram)
        assert found is not None, "every layout that is read can be made"
        solving = perf_counter() - started
        schedules = network.schedules(found.choice)
        counts = tuple(len(layer.choices) for layer in network.layers)
        return Selection(schedules, counts, found.cost, found.bound, solving)

    def _within(self, network: Network, ram: int) -> Solution:
        """The best choice whose arena is small enough."""
        memory = Memory(network, self.target)
        limited = Limited(network.problem, memory.spaces, memory.needs)
        searched = limited.within(ram)
        if searched.found is not None:
            return searched.found
        smallest, found, proved = limited.smallest()
        if smallest > ram:
            raise ValueError(
                f"no schedules of @{network.func.sym_name.data} need as little as ram = {ram} bytes: "
                f"the smallest arena {'is' if proved else 'that was found is'} of {smallest}"
            )
        return replace(found, bound=min(found.cost, searched.bound))

    def pins(self, func: FuncOp, ram: int = 0) -> Iterator[tuple[LinearOp, float]]:
        """Each op that pins something, and the seconds by which the best is slower for that."""
        pinned = [op for op in linears_of(func) if op.schedule and op.schedule.data.closed()]
        kept = self.select(func, ram).seconds if pinned else 0.0
        for op in pinned:
            yield op, kept - self.select(func, ram, op).seconds
