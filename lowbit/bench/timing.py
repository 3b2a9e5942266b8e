"""Time compiled calls, beside the rates of the machine: in this process, or in several others.

One process understates what differs from run to run: where its memory happens to lie stays the same. So calls
are timed in several processes, one after another, each on several allocations; what is reported is the
median of these, and how far they lie apart.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from ctypes import addressof, c_void_p
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from autotune.machine import pin_core, time_repeated
from autotune.rates import Rates
from lowbit_dialect.layout import Array
from lowering.aligned import aligned_bytes
from lowering.backend.isolate import Limits, Worker
from microkernels.target import Target

ROUNDS = 11
"""Samples of each call on one allocation."""
ALLOCATIONS = 3
PROCESSES = 3
SAMPLE_S = 2e-3
"""Seconds of one timed sample: long beside the clock and the call, short beside a time slice."""


@dataclass(frozen=True)
class Call:
    """A compiled function and the memory that it is called on: all that another process needs."""

    image: bytes
    """The object."""
    target: str
    symbol: str
    memory: tuple[bytes, ...]
    """What lies behind each pointer, in order, at first."""
    marks: int = 0
    """Words that a last pointer takes, to which the function writes the time after each layer."""
    tasks: tuple[tuple[str, int], ...] = ()
    threads: int = 1
    perf_map: bool = False
    """Whether the process that runs it tells `perf` the names of its functions."""


@dataclass
class Times:
    """What was measured: by call, one value an allocation; and by rate."""

    calls: list[list[float]]
    """Median seconds of each call."""
    marks: list[list[float]] = field(default_factory=list[list[float]])
    """Median seconds of each layer of the calls that mark them."""
    rates: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def add(self, other: Times) -> None:
        """Take over what another process measured of the same."""
        for mine, theirs in zip((*self.calls, *self.marks), (*other.calls, *other.marks)):
            mine.extend(theirs)
        for name, values in other.rates.items():
            self.rates.setdefault(name, []).extend(values)

    @property
    def seen(self) -> dict[str, float]:
        """The median of each rate."""
        return {name: median(values) for name, values in self.rates.items()}


class Timer:
    """Times calls in several processes, which live until it is closed; with none, in this one."""

    def __init__(self, target: Target, processes: int | None = None):
        processes = PROCESSES if processes is None else processes
        limits = Limits(seconds=600, cpu_seconds=6000, memory=1 << 40)
        self._target = str(target)
        self._workers = [Worker(limits) for _ in range(processes)]

    def each(self, calls: Sequence[Call], rates: Iterable[str]) -> Iterator[Times]:
        """Time calls in turn with each other and with samples of rates; all so far, after each process."""
        names = list(rates)
        if not self._workers:
            yield time_calls(calls, _rates(self._target), names)
            return
        request, so_far = pack_calls(calls, self._target, names), None
        for worker in self._workers:
            answer = Times(**json.loads(worker.call("lowbit.bench.timing:time_requested", request)))
            if so_far is None:
                so_far = answer
            else:
                so_far.add(answer)
            yield so_far

    def __call__(self, calls: Sequence[Call], rates: Iterable[str]) -> Times:
        """The same to the end."""
        *_, last = self.each(calls, rates)
        return last

    def __enter__(self) -> Timer:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.close()


def pack_calls(calls: Sequence[Call], target: str, rates: list[str]) -> bytes:
    """Calls as bytes for another process: a size, JSON, and what it says the sizes of."""
    blobs = [blob for call in calls for blob in (call.image, *call.memory)]
    told = [asdict(call) | {"image": None, "memory": len(call.memory)} for call in calls]
    sizes = list(map(len, blobs))
    header = json.dumps({"calls": told, "sizes": sizes, "target": target, "rates": rates}).encode()
    return b"".join((struct.pack("<Q", len(header)), header, *blobs))


def time_requested(request: bytes) -> bytes:
    """Do `time_calls` in a worker."""
    (size,) = struct.unpack_from("<Q", request)
    header: dict[str, Any] = json.loads(request[8 : 8 + size])
    ends = np.cumsum([8 + size, *header["sizes"]]).tolist()
    blobs = iter([request[start:end] for start, end in pairwise(ends)])
    calls: list[Call] = []
    for told in header["calls"]:
        image, memory = next(blobs), tuple(next(blobs) for _ in range(told["memory"]))
        tasks = tuple((symbol, extent) for symbol, extent in told["tasks"])
        calls.append(Call(**told | {"image": image, "memory": memory, "tasks": tasks}))
    times = time_calls(calls, _rates(header["target"]), header["rates"])
    return json.dumps(asdict(times)).encode()


@cache
def _rates(target: str) -> Rates:
    return Rates(Target.parse(target))


def time_calls(calls: Sequence[Call], rates: Rates, names: Sequence[str]) -> Times:
    """Time calls on several allocations in turn with samples of the named rates."""
    times = Times([[] for _ in calls], [[] for call in calls for _ in range(call.marks - 1)])
    times.rates = {name: [] for name in names}
    loaded = [Loaded(call) for call in calls]
    with pin_core() if all(call.threads == 1 for call in calls) else nullcontext():
        kept: list[Placed] = []  # or the next would lie in the same place
        for _ in range(ALLOCATIONS):
            placed = [Placed(one) for one in loaded]
            kept += placed
            _in_turn(placed, rates, times)
    return times


def _in_turn(placed: Sequence[Placed], rates: Rates, times: Times) -> None:
    """Add the medians of one allocation of each call, and the samples of the rates beside it."""
    counts = [repetitions(one.run) for one in placed]
    samples: list[list[float]] = [[] for _ in placed]
    marks: list[list[list[float]]] = [[] for _ in placed]
    for _ in range(ROUNDS):
        for one, count, seconds, layers in zip(placed, counts, samples, marks):
            seconds.append(time_repeated(one.run, count))
            if one.clock is not None:
                layers.append(one.shares(seconds[-1]))
        for name, values in times.rates.items():
            values.append(rates.sample(name))
    for mine, seconds in zip(times.calls, samples):
        mine.append(median(seconds))
    spans = [list(layer) for layers in marks for layer in zip(*layers)]
    for mine, seconds in zip(times.marks, spans):
        mine.append(median(seconds))


class Loaded:
    """The code of a call, in this process."""

    def __init__(self, call: Call):
        from lowering.backend.jit import Jit
        from lowering.backend.pool import make_team

        self.call = call
        self.jit = Jit(call.image, Target.parse(call.target))
        if call.perf_map:
            self.jit.write_perf_map()
        pointers = [c_void_p] * (len(call.memory) + bool(call.marks))
        self.function = self.jit.function(call.symbol, None, *pointers)
        self.team = make_team(self.jit, call.tasks, call.threads) if call.threads > 1 else None


class Placed:
    """A call on memory of its own."""

    def __init__(self, loaded: Loaded):
        self.arrays = [aligned_bytes(content) for content in loaded.call.memory]
        self.clock: Array | None = None
        if loaded.call.marks:
            self.clock = np.zeros(loaded.call.marks, np.int64)
            self.arrays.append(self.clock)
        addresses = [array.ctypes.data for array in self.arrays]
        if loaded.team is None:
            self.run: Callable[[], Any] = partial(loaded.function, *addresses)
        else:
            team, self.pointers = loaded.team, loaded.team.pointers(addresses)
            self.run = partial(team.run, *team.arguments, addressof(self.pointers))

    def shares(self, seconds: float) -> list[float]:
        """What each layer took of the last call, as parts of the `seconds` of one."""
        assert self.clock is not None
        ticks = np.diff(self.clock)
        return (ticks * (seconds / max(1, int(ticks.sum())))).tolist()


def repetitions(call: Callable[[], Any]) -> int:
    """Warm up, and say how many calls make one sample."""
    started, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - started) < 5 * SAMPLE_S or count < 3:
        call()
        count += 1
    return max(1, round(SAMPLE_S * count / spent))
