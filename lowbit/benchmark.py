"""Measure convolutions beside the limit that popcounts set, in the same run; one thread is pinned."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median, quantiles

import numpy as np

from autotune.machine import pin_core
from lowbit.checks import CheckFailed, first_difference, is_exact, reference
from lowbit.data import random_values
from lowbit.elements import parse_element, spelling_of
from lowbit.kernel import Bound, Kernel, compile
from lowbit.program import Program
from lowbit.signature import inputs_of
from lowbit.single import conv2d
from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.linear import Contraction, LinearOp
from lowbit_dialect.schedule import Schedule
from lowbit_dialect.storage import from_storage

ROUNDS = 31
SAMPLE_S = 2e-3
"""Seconds of one timed sample: long beside the clock and the call, short beside a time slice."""


@dataclass(frozen=True)
class Layer:
    """A convolution as `H W IC OC K pad stride`."""

    name: str
    height: int
    width: int
    inputs: int
    outputs: int
    kernel: int
    padding: int
    stride: int

    @classmethod
    def parse(cls, text: str) -> Layer:
        """Read seven numbers; raises ValueError."""
        words = text.replace(",", " ").split()
        if len(words) != 7 or not all(word.isdigit() for word in words):
            raise ValueError(
                f"'{text}' is no convolution: expected seven numbers, H W IC OC K PAD STRIDE"
            )
        return cls("conv2d", *map(int, words))

    def program(self, activation: str, weight: str, constant: Sequence[str]) -> Program:
        """The layer as a program."""
        return conv2d(
            (1, self.height, self.width, self.inputs),
            (self.kernel, self.kernel, self.inputs, self.outputs),
            activation,
            weight,
            strides=self.stride,
            padding=self.padding,
            constant=constant,
        )


RESNET18 = tuple(
    Layer(name, size, size, *rest)
    for name, size, *rest in (
        ("C2", 56, 64, 64, 3, 1, 1),
        ("C3", 56, 64, 64, 1, 0, 1),
        ("C4", 56, 64, 128, 3, 1, 2),
        ("C5", 56, 64, 128, 1, 0, 2),
        ("C6", 28, 128, 128, 3, 1, 1),
        ("C7", 28, 128, 256, 3, 1, 2),
        ("C8", 28, 128, 256, 1, 0, 2),
        ("C9", 14, 256, 256, 3, 1, 1),
        ("C10", 14, 256, 512, 3, 1, 2),
        ("C11", 14, 256, 512, 1, 0, 2),
        ("C12", 7, 512, 512, 3, 1, 1),
    )
)
SUITES = {"resnet18": RESNET18}


@dataclass(frozen=True)
class Result:
    """One measured layer."""

    layer: str
    activation: str
    weight: str
    threads: int
    macs: int
    """Multiply-adds on taps inside the image."""
    time_us: float
    """From packed activations and weights to i32."""
    time_with_packing_us: float
    """From one-byte activations and packed weights."""
    spread_us: float
    """Between the quartiles of `time_us`."""
    limit_us: float | None
    """What popcounts alone take at the measured rate, on a core a thread; None for elements that are no
    codes."""


def measure(
    layer: Layer,
    activation: str,
    weight: str,
    target: str = "host",
    schedule: str | Schedule = "default",
    threads: int = 1,
    *,
    probe: Callable[[], float],
    check: bool = True,
    seed: int = 0,
) -> Result:
    """Time a layer, interleaved with `probe`, which measures binary multiply-adds a second once."""
    kernels = [
        compile(layer.program(activation, weight, constant), target, schedule, threads)
        for constant in (("x", "w"), ("w",))
    ]
    packed, bytewise = (_bind(kernel, layer, check, seed) for kernel in kernels)
    packed_work, used = contraction_of(kernels[0].program), kernels[0].threads
    # Several threads find their cores themselves: pinned, they would all have to be.
    with pin_core() if used == 1 else nullcontext():
        calls = [_calls(packed), _calls(bytewise)]
        times: list[list[float]] = [[], [], []]
        for _ in range(ROUNDS):
            times[0].append(_time(packed, calls[0]))
            times[1].append(_time(bytewise, calls[1]))
            times[2].append(probe())
    lower, _, upper = quantiles(times[0], n=4)
    planes = planes_of(packed_work)
    limit = packed_work.macs * planes / median(times[2]) / used * 1e6 if planes else None
    return Result(
        layer.name,
        activation,
        weight,
        used,
        packed_work.macs,
        round(median(times[0]) * 1e6, 2),
        round(median(times[1]) * 1e6, 2),
        round((upper - lower) * 1e6, 2),
        None if limit is None else round(limit, 2),
    )


def planes_of(work: Contraction) -> int:
    """Pairs of planes that a product of codes needs; 0 if an operand is no code."""
    if not isinstance(work.activation, CodeType) or not isinstance(work.weight, CodeType):
        return 0
    return work.activation.planes * work.weight.planes


def _bind(kernel: Kernel, layer: Layer, check: bool, seed: int) -> Bound:
    """A bound call of a layer on random data, compared once with the reference."""
    program, constant = kernel.program, kernel.program.constant_names
    rng = np.random.default_rng(seed)
    arrays = [
        random_values(tuple(one.type.get_shape()), one.type.element_type, rng)
        for one in inputs_of(program)
    ]
    ahead = {name: a for name, a in zip(program.argument_names, arrays) if name in constant}
    rest = [a for name, a in zip(program.argument_names, arrays) if name not in constant]
    bound = kernel.bind(*rest, kernel.pack(**ahead))
    bound()
    if check:
        got = from_storage(bound.results[0], kernel.signature.main.results[0])
        wrong = first_difference(got, reference(program, *arrays), is_exact(program))
        if wrong is not None:
            elements = " x ".join(spelling_of(one.type.element_type) for one in inputs_of(program))
            raise CheckFailed(f"layer {layer.name} ({elements}): {wrong}")
    return bound


def contraction_of(program: Program) -> Contraction:
    """The numbers of the one `conv2d` or `dense` of a program."""
    (op,) = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    return op.contraction


def _calls(call: Callable[[], None]) -> int:
    """Warm up, and say how many calls make one sample."""
    started, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - started) < 5 * SAMPLE_S or count < 3:
        call()
        count += 1
    return max(1, round(SAMPLE_S * count / spent))


def _time(call: Callable[[], None], calls: int) -> float:
    """Seconds of one call, over `calls` of them."""
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls


def check_elements(*elements: str) -> None:
    """Raise ValueError unless each is an element type."""
    for element in elements:
        parse_element(element)
