"""`lowbit bench`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from statistics import median
from typing import Any

from autotune.machine import machine_facts, measure_hand_over, popcount_sampler
from lowbit.benchmark import SUITES, Layer, Result, check_elements, measure
from lowbit.code import resolve
from lowbit.commands.inputs import progress, read_schedule, write_json
from lowbit.kernel import check_threads
from microkernels.target import Target


def run(given: Namespace) -> None:
    """Measure layers and print times beside limits."""
    check_threads(given.threads)
    check_elements(given.activation, given.weight)
    layers, target = chosen(given), resolve(given.target)
    rates: list[float] = []
    probe = _recorded(sampler(target), rates)
    results: list[Result] = []
    with progress("measuring") as advance:
        for index, layer in enumerate(layers):
            results.append(
                measure(
                    layer,
                    given.activation,
                    given.weight,
                    given.target,
                    read_schedule(given.schedule),
                    given.threads,
                    probe=probe,
                    check=not given.no_check,
                )
            )
            advance(index + 1, len(layers))
    machine = describe_machine(target, median(rates))
    if any(one.threads > 1 for one in results):
        machine["hand_over_us"] = round((measure_hand_over() or 0.0) * 1e6, 3)
    if given.json:
        write_json({"machine": machine, "results": [asdict(one) for one in results]})
    else:
        print("\n".join(in_words(machine, results)))


def chosen(given: Namespace) -> tuple[Layer, ...]:
    """The layers asked for; raises ValueError for one that the suite has not."""
    if given.conv2d is not None:
        return (Layer.parse(given.conv2d),)
    suite = SUITES[given.suite]
    names = [layer.name for layer in suite]
    for name in given.layer or ():
        if name not in names:
            raise ValueError(f"{given.suite} has no layer '{name}': it has {', '.join(names)}")
    return tuple(layer for layer in suite if not given.layer or layer.name in given.layer)


def sampler(target: Target) -> Callable[[], float]:
    """What measures binary multiply-adds a second once a call; raises ValueError for a foreign target."""
    from lowering.backend.machine import BackendError

    try:
        return popcount_sampler(target)
    except BackendError as error:
        raise ValueError(str(error)) from error


def _recorded(probe: Callable[[], float], rates: list[float]) -> Callable[[], float]:
    def run() -> float:
        rates.append(probe())
        return rates[-1]

    return run


def describe_machine(target: Target, rate: float) -> dict[str, Any]:
    """What the numbers were measured on, and what a core of it does at best."""
    facts = machine_facts() | {"target": str(target)}
    return facts | {"binary_gmacs_per_s": round(rate / 1e9, 2)}


def in_words(machine: dict[str, Any], results: list[Result]) -> list[str]:
    """A table for a person."""
    used = max((one.threads for one in results), default=1)
    cores = f"{used} cores"
    if used == 1:
        cores = "one core"
    elif "hand_over_us" in machine:
        cores += f", hand-over {machine['hand_over_us']} us"
    lines = [
        f"{machine['cpu']}, {cores}, {machine['binary_gmacs_per_s']} binary GMAC/s each, "
        f"{machine['target']}",
        f"{'layer':8}{'MMAC':>9}{'us':>10}{'+-':>8}{'packing us':>12}{'limit us':>10}{'/limit':>8}",
    ]
    for one in results:
        limit = f"{one.limit_us:10.1f}{one.time_us / one.limit_us:8.2f}" if one.limit_us else ""
        lines.append(
            f"{one.layer:8}{one.macs / 1e6:9.1f}{one.time_us:10.1f}{one.spread_us:8.1f}"
            f"{one.time_with_packing_us:12.1f}{limit}"
        )
    return lines
