"""`lowbit bench`."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autotune.machine import machine_facts, measure_hand_over, pin_core
from autotune.rates import Rates
from lowbit import peers
from lowbit.benchmark import Question, Result, geometric_means, measure
from lowbit.code import resolve
from lowbit.commands.inputs import progress, read_schedule, write_json, write_text
from lowbit.kernel import check_threads
from lowbit.report import page
from lowbit.suites import SUITES, ConvLayer, DenseLayer, Layer
from microkernels.target import Target


def run(given: Namespace) -> None:
    """Measure layers and print times beside limits."""
    if check_threads(given.threads) > 1 and given.peers:
        raise ValueError("--peers run on one thread: leave out --threads")
    asked = Question(
        given.activation,
        given.weight,
        given.output,
        given.target,
        read_schedule(given.schedule),
        not given.no_check,
        threads=given.threads,
    )
    layers, target = chosen(given), resolve(given.target)
    if given.report is not None:
        Path(given.report).open("a").close()  # told before measuring if it cannot be written
    rates, results = prepared(target), list[Result]()
    skipped: dict[str, str] | None = {} if given.peers else None
    with progress("measuring") as advance:
        for index, layer in enumerate(layers):
            results.append(measure(layer, asked, rates, skipped))
            advance(index + 1, len(layers))
    for sentence in (skipped or {}).values():
        print(sentence, file=sys.stderr)
    machine = describe_machine(target, rates, with_peers=given.peers)
    if any(one.threads > 1 for one in results):
        machine["hand_over_us"] = round((measure_hand_over() or 0.0) * 1e6, 3)
    if given.report is not None:
        write_text(page(machine, results), given.report)
    if given.json:
        write_json({"machine": machine, "results": [asdict(one) for one in results]})
    else:
        print("\n".join(in_words(machine, results)))


def chosen(given: Namespace) -> tuple[Layer, ...]:
    """The layers asked for; raises ValueError for one that the suite has not."""
    if given.suite is None:
        if given.layer:
            raise ValueError("--layer picks layers of a --suite: leave it out for a single one")
        if given.conv2d is not None:
            return (ConvLayer.parse(given.conv2d),)
        return (DenseLayer.parse(given.dense),)
    suite = SUITES[given.suite]
    names = [layer.name for layer in suite]
    for name in given.layer or ():
        if name not in names:
            raise ValueError(f"{given.suite} has no layer '{name}': it has {', '.join(names)}")
    return tuple(layer for layer in suite if not given.layer or layer.name in given.layer)


def prepared(target: Target) -> Rates:
    """The rates of this machine; raises ValueError for a foreign target."""
    from lowering.backend.machine import BackendError

    try:
        return Rates(target)
    except BackendError as error:
        raise ValueError(str(error)) from error


def describe_machine(target: Target, rates: Rates, *, with_peers: bool) -> dict[str, Any]:
    """What the numbers were measured on, and what a core of it does at best."""
    with pin_core():
        measured = {name: rates.median(name) / 1e9 for name in rates.names}
    bandwidth = {name: round(rate, 1) for name, rate in measured.items() if " " in name}
    multiplied = {
        f"{name}_gmacs_per_s": round(rate, 2) for name, rate in measured.items() if " " not in name
    }
    facts = machine_facts() | {"target": str(target)}
    return (
        facts
        | multiplied
        | {"gb_per_s": bandwidth, "peers": peers.versions() if with_peers else {}}
    )


def in_words(machine: dict[str, Any], results: list[Result]) -> list[str]:
    """Tables for a person: the machine's rates, times over limits, peers, geometric means."""
    rates = [f"{machine[f'{kind}_gmacs_per_s']} {kind}" for kind in ("binary", "i8", "i16", "f32")]
    bandwidth = [f"{name} {rate:.0f}" for name, rate in machine["gb_per_s"].items()]
    lines = [
        f"{machine['cpu']}, {cores_in_words(machine, results)}, {machine['target']}",
        f"GMAC/s: {', '.join(rates)}; GB/s: {', '.join(bandwidth)}",
        f"{'layer':10}{'MMAC':>9}{'us':>10}{'+-':>8}{'packing us':>12}{'limit us':>10}{'/limit':>8}"
        "  limited by",
    ]
    for one in results:
        lines.append(
            f"{one.layer:10}{one.macs / 1e6:9.1f}{one.time_us:10.1f}{one.spread_us:8.1f}"
            f"{one.time_with_packing_us:12.1f}{one.limit_us:10.1f}{one.over_limit:8.2f}"
            f"  {one.limited_by}"
        )
    lines += peers_in_words(results)
    if len(results) > 1:
        lines.append("geometric means of time")
        lines += [f"  over {name}: {mean:.3g}" for name, mean in geometric_means(results).items()]
    return lines


def cores_in_words(machine: dict[str, Any], results: list[Result]) -> str:
    """How many cores were used, and what handing work from one to another takes."""
    used = max(one.threads for one in results)
    return "one core" if used == 1 else f"{used} cores, hand-over {machine['hand_over_us']} us"


def peers_in_words(results: list[Result]) -> list[str]:
    """The fastest peer of each precision, its time, and ours over it."""
    measured = {peer.precision for one in results for peer in one.peers}
    names = [precision for precision in peers.PRECISIONS if precision in measured]
    if not names:
        return []
    heads = [f"{f'fastest {name}':>16}{'us':>10}{'ours /':>9}" for name in names]
    lines = [f"{'layer':10}{'us':>10}{''.join(heads)}"]
    for one in results:
        fastest = map(one.fastest_peer, names)
        cells = [
            f"{peer.system:>16}{peer.time_us:10.1f}{one.time_us / peer.time_us:9.3f}"
            if peer is not None
            else f"{'':35}"
            for peer in fastest
        ]
        lines.append(f"{one.layer:10}{one.time_us:10.1f}{''.join(cells)}".rstrip())
    return lines
