"""`lowbit bench --model`: what layers execute on a processor that is not there."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import geometric_mean

from lowbit.bench.cycles import CycleModel, find_model
from lowbit.bench.modelled import Modelled, Row
from lowbit.bench.suites import Layer
from lowbit.code_generation import resolve
from lowbit.commands.command_io import load_program, progress, read_schedule, write_json
from lowering.emulation.unicorn_processors import processor_of
from microkernels.target import Target

_TIMED = ("peers", "report", "processes", "perf_map", "output")
"""Options of what is timed."""


@dataclass(frozen=True)
class Beside:
    """A layer, and the same on elements of the baseline."""

    row: Row
    baseline: Row | None

    @property
    def fewer(self) -> float | None:
        """Times fewer instructions than the baseline."""
        return self.baseline and self.baseline.instructions / self.row.instructions

    @property
    def fewer_cycles(self) -> float | None:
        """Times fewer modelled cycles."""
        ours, theirs = self.row.cycles, self.baseline and self.baseline.cycles
        return theirs / ours if ours and theirs else None


def run(given: Namespace, layers: Sequence[Layer]) -> None:
    """Count layers, or a program by layers, and print counts and modelled cycles over their bound."""
    for option in _TIMED:
        if getattr(given, option) is not None and getattr(given, option) is not False:
            named = option.replace("_", "-")
            raise ValueError(f"--{named} is for what is timed: leave it out with --model")
    if given.threads > 1:
        raise ValueError("instructions are counted on one thread: leave out --threads with --model")
    if given.baseline and given.program is not None:
        raise ValueError(
            "--baseline is for layers: a program has its own elements, so leave it out"
        )
    target = resolve(given.target)
    processor_of(target)  # raises where nothing is counted
    model, why = _model(target)
    modelled = Modelled(target, read_schedule(given.schedule), not given.no_check, model)
    head = heading(target, model, why)
    found: list[Beside] = []
    for one in _program(given, modelled) if given.program else _layers(given, modelled, layers):
        if not given.json:
            above = [] if found else [*head, columns(model is not None, given.baseline)]
            print("\n".join([*above, line(one)]), flush=True)
        found.append(one)
    if given.json:
        counted = f"Unicorn {version('unicorn')}"
        told = {"target": str(target), "counted_by": counted, "modelled_by": model and model.name}
        write_json(told | {"no_cycles": why, "results": [_json(one) for one in found]})
    elif len(found) > 1 and not given.program:
        print("\n".join(summary(found, given.baseline)))


def _model(target: Target) -> tuple[CycleModel | None, str]:
    """What models cycles, or why nothing does."""
    try:
        return find_model(target), ""
    except ValueError as error:
        return None, str(error)


def _program(given: Namespace, modelled: Modelled) -> Iterator[Beside]:
    program = load_program(given)
    with progress("counting"):
        rows = modelled.program(program)
    yield from (Beside(row, None) for row in rows)


def _layers(given: Namespace, modelled: Modelled, layers: Iterable[Layer]) -> Iterator[Beside]:
    for layer in layers:
        row = modelled.layer(layer, given.activation, given.weight)
        base = given.baseline
        yield Beside(row, modelled.layer(layer, base, base) if base else None)


def heading(target: Target, model: CycleModel | None, why: str) -> list[str]:
    """What the numbers are, and what they are not."""
    cycles = f"modelled by {model.name}, without caches and branches" if model else f"none, {why}"
    return [
        f"{target} ({target.cpu}): no time was measured",
        f"instructions: counted by Unicorn {version('unicorn')}, exact, packing and stores included",
        "bound: the instructions that products cost at least, by the family that is named",
        f"cycles: {cycles}",
    ]


def columns(cycles: bool, baseline: str | None) -> str:
    """What stands above the lines of layers."""
    told = f"{'layer':12}{'MMAC':>8}{'instructions':>14}{'bound':>12}{'/bound':>8}  {'family':8}"
    told += f"{'spills':>8}" + f"{'cycles':>12}{'/bound':>8}" * cycles
    if baseline:
        told += f"{baseline + ' /':>10}" + f"{'cycles /':>10}" * cycles
    return told.rstrip()


def line(one: Beside) -> str:
    """A layer in one line."""
    row = one.row
    told = f"{row.layer:12}{row.macs / 1e6:8.1f}{row.instructions:14}"
    told += f"{row.least:12.0f}{_ratio(row.over_least)}  {row.family:8}{row.spilling:8.1%}"
    if row.cycles is not None:
        told += f"{row.cycles:12.0f}{_ratio(row.cycles_over_least)}"
    told += "".join(f"{ratio:10.2f}" for ratio in (one.fewer, one.fewer_cycles) if ratio)
    return told.rstrip()


def summary(found: Sequence[Beside], baseline: str | None) -> list[str]:
    """Geometric means of several layers."""
    ratios = {
        "instructions over the bound": [one.row.over_least for one in found],
        "modelled cycles over the bound": [one.row.cycles_over_least for one in found],
        f"instructions of {baseline} over these": [one.fewer for one in found],
        f"modelled cycles of {baseline} over these": [one.fewer_cycles for one in found],
    }
    lines = ["geometric means, least and most"]
    for name, each in ratios.items():
        known = [one for one in each if one]
        if known:
            lines.append(
                f"  {name}: {geometric_mean(known):.3f}, {min(known):.3f}, {max(known):.3f}"
            )
    return lines


def _ratio(value: float | None) -> str:
    return f"{value:8.3f}" if value is not None else f"{'-':>8}"


def _json(one: Beside) -> dict[str, object]:
    row = one.row
    over = {"over_least": row.over_least, "cycles_over_least": row.cycles_over_least}
    told: dict[str, object] = {**asdict(row), **over}
    if one.baseline is not None:
        told |= {
            "baseline": asdict(one.baseline),
            "fewer": one.fewer,
            "fewer_cycles": one.fewer_cycles,
        }
    return told
