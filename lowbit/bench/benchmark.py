"""Measure layers beside the limit of the machine, in the same run; one thread on one pinned core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median, quantiles
from typing import Any

import numpy as np

from autotune.machine import pin_core, time_repeated
from lowbit.bench import peers
from lowbit.bench.limits import Work, work_of
from lowbit.bench.suites import ConvLayer, Layer, program_of
from lowbit.bench.timing import Call, Timer, repetitions
from lowbit.checks import CheckFailed, reference
from lowbit.compiling import compile
from lowbit.element_types import parse_element
from lowbit.kernel import Bound, Kernel
from lowbit.program import Program
from lowbit.signature import inputs_of, shaped
from lowbit_dialect.codes import CodeType
from lowbit_dialect.differences import first_difference, is_exact
from lowbit_dialect.example_arrays import example
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ranges import argument_bounds
from lowbit_dialect.schedule import Schedule
from lowbit_dialect.storage import from_storage
from microkernels.table import find_kernel

PEER_ROUNDS = 31


@dataclass(frozen=True)
class PeerTime:
    """The same layer in another system."""

    system: str
    precision: str
    """`f32`, `bf16`, or `i8`: u8 by i8, and the result requantised to u8."""
    time_us: float
    spread_us: float


@dataclass(frozen=True)
class Result:
    """One measured layer."""

    layer: str
    op: str
    """`conv2d` or `dense`."""
    shape: str
    """As the command takes it: `H W IC OC K PAD STRIDE`, or `M K N`."""
    activation: str
    weight: str
    schedule: str
    """Every field of what was run; given as `--schedule` it runs again."""
    threads: int
    macs: int
    """Multiply-adds on taps inside the image."""
    time_us: float
    """From packed activations and weights to sums, or to packed codes."""
    time_with_packing_us: float
    """From one-byte activations and packed weights."""
    spread_us: float
    """Between the least and the most of `runs_us`."""
    runs_us: tuple[float, ...]
    """The median of each allocation in each process, of which `time_us` is the median."""
    limit_us: float
    """What popcounts and products cannot beat: the arithmetic of the fastest family of kernels, or bytes,
    whichever takes longer, on a core a thread."""
    output: str
    """Element of the result."""
    window: int
    """Height and width of the window; 0 for a dense layer."""
    limited_by: str
    """The rate that sets the limit, as the machine's rates are named."""
    family: str
    """The family of kernels whose products take the least time at the rates of the run."""
    work: Work
    peers: tuple[PeerTime, ...] = ()

    @property
    def over_limit(self) -> float:
        """Time over limit."""
        return self.time_us / self.limit_us

    def fastest_peer(self, precision: str) -> PeerTime | None:
        """The fastest of those that were measured in a precision."""
        among = [peer for peer in self.peers if peer.precision == precision]
        return min(among, key=lambda peer: peer.time_us, default=None)


@dataclass(frozen=True)
class Question:
    """How layers are measured."""

    activation: str
    weight: str
    output: str | None = None
    """A code to which sums are cut by thresholds in the kernel; None leaves sums."""
    target: str = "host"
    schedule: str | Schedule = "default"
    check: bool = True
    """Compare with the reference first."""
    seed: int = 0
    threads: int = 1
    """At most; one a usable core."""

    def __post_init__(self) -> None:
        """Raise ValueError for what is no element, or an output that thresholds cannot make."""
        for element in (self.activation, self.weight):
            parse_element(element)
        if self.output is None:
            return
        if not isinstance(parse_element(self.output), CodeType):
            raise ValueError(f"an output is a code such as uint1, not {self.output}")
        if self.activation == "f32":
            raise ValueError(f"thresholds to {self.output} cut integers, not f32")


def measure(
    layer: Layer, asked: Question, timer: Timer, skipped: dict[str, str] | None = None
) -> Result:
    """Time a layer in turn with samples of the rates that bound it.

    With `skipped`, peers are timed as well, and a sentence is left there for each that is not.
    """
    bytewise, _, kernel = _bind(layer, asked, ("w",))
    packed, program, chosen = _bind(layer, asked, **_packed_ahead(kernel))
    types = [one.type for one in inputs_of(program)], [shaped(y) for y in program.outputs]
    work = work_of(contraction_of(program), *types)
    times = timer([call_of(chosen, packed), call_of(kernel, bytewise)], work.rates)
    limit, slowest = work.seconds(times.seen)
    ours, bytes_too = times.calls
    threads = chosen.threads
    ((_, schedule),) = chosen.schedules
    return Result(
        layer=layer.name,
        op="conv2d" if isinstance(layer, ConvLayer) else "dense",
        shape=layer.shape,
        activation=asked.activation,
        weight=asked.weight,
        schedule=str(schedule),
        threads=threads,
        macs=contraction_of(program).macs,
        time_us=microseconds(median(ours)),
        time_with_packing_us=microseconds(median(bytes_too)),
        spread_us=microseconds(max(ours) - min(ours)),
        runs_us=tuple(map(microseconds, ours)),
        limit_us=microseconds(limit / threads),
        output=asked.output or ("f32" if asked.activation == "f32" else "i32"),
        window=layer.kernel if isinstance(layer, ConvLayer) else 0,
        limited_by=slowest,
        family=work.family(times.seen),
        work=work,
        peers=() if skipped is None else _beside(layer, skipped),
    )


def call_of(kernel: Kernel, bound: Bound, marks: int = 0) -> Call:
    """A bound call as another process can make it; `marks` are what the function writes to a clock."""
    return Call(
        image=kernel.image,
        target=str(kernel.target),
        symbol=kernel.signature.main.symbol,
        memory=tuple(array.tobytes() for array in bound.arrays),
        marks=marks,
        tasks=kernel.code.tasks,
        threads=kernel.threads,
    )


def _beside(layer: Layer, skipped: dict[str, str]) -> tuple[PeerTime, ...]:
    """Time a layer in other systems, in turn with each other."""
    with pin_core():  # the threads that they start too
        ready = list(peers.prepare(layer, skipped))
        counts = [repetitions(peer.call) for peer in ready]
        times: list[list[float]] = [[] for _ in ready]
        for _ in range(PEER_ROUNDS):
            for peer, count, samples in zip(ready, counts, times):
                samples.append(time_repeated(peer.call, count))
    return tuple(
        PeerTime(peer.name, peer.precision, microseconds(median(one)), _spread(one))
        for peer, one in zip(ready, times)
    )


def geometric_means(results: Sequence[Result]) -> dict[str, float]:
    """Time over limit, and over the fastest peer, of 3x3 layers and of all, by what is compared."""
    groups = {"3x3 layers": [one for one in results if one.window == 3], "all layers": results}
    means: dict[str, float] = {}
    for name, group in groups.items():
        if name == "3x3 layers" and len(group) in (0, len(results)):
            continue
        ratios = {"limit": [one.over_limit for one in group]}
        for precision in peers.PRECISIONS:
            fastest = [(one, one.fastest_peer(precision)) for one in group]
            ratios[f"fastest {precision} peer"] = [
                one.time_us / peer.time_us for one, peer in fastest if peer is not None
            ]
        means |= {f"{of}, {name}": geometric_mean(r) for of, r in ratios.items() if r}
    return means


def contraction_of(program: Program) -> Contraction:
    """The numbers of the one `conv2d` or `dense` of a program."""
    (op,) = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    return op.contraction


def _packed_ahead(kernel: Kernel) -> dict[str, Any]:
    """How a layer is given packed activations.

    They come as planes if its kernel counts bits or looks sums up: what it prepares from planes is in its
    time, and so is gathering windows. Other kernels get what they read.
    """
    ((_, schedule),) = kernel.schedules
    work = contraction_of(kernel.program)
    assert schedule.microkernel
    if find_kernel(schedule.microkernel, kernel.target).input_layout(work).encoded:
        return {"constant": ("w",), "packed": True}
    return {"constant": ("w",) if schedule.algorithm == "im2col" else ("x", "w")}


def _bind(
    layer: Layer, asked: Question, constant: Sequence[str], packed: bool = False
) -> tuple[Bound, Program, Kernel]:
    """A bound call of a layer on random data, compared once with the reference."""
    elements = asked.activation, asked.weight
    program = program_of(layer, *elements, constant, packed=packed)
    arrays = random_inputs(program, asked.seed)
    if asked.output is not None:
        sums = compile(program, asked.target, asked.schedule)(*arrays)
        thresholds = _splitting(sums, asked.output), asked.output
        program = program_of(layer, *elements, constant, thresholds, packed=packed)
    kernel = compile(program, asked.target, asked.schedule, asked.threads)
    bound = _bound(kernel, arrays, constant)
    bound()
    if asked.check:
        got = from_storage(bound.results[0], kernel.signature.main.results[0])
        wrong = first_difference(got, reference(program, *arrays), is_exact(program.module))
        if wrong is not None:
            raise CheckFailed(f"layer {layer.name} ({' x '.join(elements)}): {wrong}")
    return bound, program, kernel


def random_inputs(program: Program, seed: int = 0) -> list[Array]:
    """Random values for each input, with which sums keep to the ranges that the program promises."""
    rng, types = np.random.default_rng(seed), [one.type for one in inputs_of(program)]
    return example("random", types, rng, argument_bounds(program.func))


def _bound(kernel: Kernel, arrays: Sequence[Array], constant: Sequence[str]) -> Bound:
    names = kernel.program.argument_names
    ahead = {name: array for name, array in zip(names, arrays) if name in constant}
    rest = [array for name, array in zip(names, arrays) if name not in constant]
    return kernel.bind(*rest, kernel.pack(**ahead))


def _splitting(sums: Array, output: str) -> Array:
    """Thresholds `[N, steps]` that split the sums of each channel into equal parts."""
    code = parse_element(output)
    assert isinstance(code, CodeType)
    levels = np.arange(1, code.steps + 1) / (code.steps + 1)
    table = np.quantile(sums.reshape(-1, sums.shape[-1]), levels, axis=0, method="higher")
    return np.ascontiguousarray(table.T.astype(np.int32))


def _spread(samples: Sequence[float]) -> float:
    lower, _, upper = quantiles(samples, n=4)
    return microseconds(upper - lower)


def microseconds(seconds: float) -> float:
    """Seconds as microseconds of five figures."""
    return float(f"{seconds * 1e6:.5g}")
