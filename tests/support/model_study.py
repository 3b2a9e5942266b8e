"""How good the model is: the schedules that it would choose, and random ones, as they are measured.

    python -m tests.support.model_study --layers "28 28 128 128 3 1 1" --pairs uint2,odd1 --tiers x86-64-v3

A layer is as `lowbit bench` takes it; a tier has the costs and caches of this machine's processor. For each
layer, pair and tier, a line tells what share of the speed of the fastest schedule that was measured the
model's first choice has, and the best of its first eight; and Spearman's correlation of predicted and
measured times over the random schedules.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from random import Random
from statistics import geometric_mean

import numpy as np

from autotune.machine_measured import measured_table
from autotune.machine_table import MachineTable
from autotune.measuring import Measurer, Subject
from autotune.model import Model
from autotune.outcome import Measured
from autotune.processors import table_of
from autotune.shortlist import shortlist
from autotune.space import Space
from lowbit.bench.suites import RESNET18, ConvLayer, program_of
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from tests.support.tiers import TIERS

LAYERS = [one.shape for one in RESNET18 if one.name in ("C2", "C3", "C6", "C9", "C12")]

Measure = Callable[[Sequence[Schedule]], Sequence[float | None]]
"""Times of schedules, in any unit; None for one that could not be measured."""


@dataclass(frozen=True)
class Quality:
    """What became of the model's choices on one layer."""

    first: float
    """The time of the fastest measured over that of the first choice."""
    top: float
    """The same for the fastest of the first eight."""
    spearman: float
    samples: int


def quality(
    space: Space, machine: MachineTable, measure: Measure, samples: int, seed: int = 0, top: int = 8
) -> Quality:
    """Measure the model's first choices and random schedules of a space."""
    random = Random(seed)
    model = Model(space.demand.work, space.target, machine, threads=space.threads)
    chosen = [schedule for schedule, _ in shortlist(space, machine, top)]
    drawn = list(dict.fromkeys(space.sample(random) for _ in range(samples)))
    times = measure([*chosen, *drawn])
    own = [seconds for seconds in times[: len(chosen)] if seconds is not None]
    seen = [(s, t) for s, t in zip(drawn, times[len(chosen) :]) if t is not None]
    predicted = [model.predict(schedule).seconds for schedule, _ in seen]
    best = min([*own, *(seconds for _, seconds in seen)])
    correlation = spearman(predicted, [seconds for _, seconds in seen])
    return Quality(best / own[0], best / min(own), correlation, len(seen))


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """The correlation of the ranks of two rows of numbers."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


def table(found: dict[str, Quality]) -> str:
    """The qualities by name, and their means."""
    lines = [
        f"{name:44} first {one.first:.3f}  top {one.top:.3f}  spearman {one.spearman:.2f}  "
        f"({one.samples} samples)"
        for name, one in found.items()
    ]
    firsts = [one.first for one in found.values()]
    tops = [one.top for one in found.values()]
    mean = sum(one.spearman for one in found.values()) / len(found)
    lines.append(
        f"first choice {geometric_mean(firsts):.3f} (worst {min(firsts):.3f}), "
        f"best of the first eight {geometric_mean(tops):.3f}, spearman {mean:.2f}"
    )
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="How good the model's choices are.")
    parser.add_argument("--layers", nargs="+", default=[*LAYERS, "13 13 192 384 3 1 1"])
    parser.add_argument("--pairs", nargs="+", default=["uint1,uint1", "uint2,odd1", "uint2,uint2"])
    parser.add_argument("--tiers", nargs="+", default=list(TIERS))
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measured", action="store_true", help="measure the machine's table")
    return parser.parse_args()


def relative(subject: Subject, schedules: Sequence[Schedule]) -> list[float | None]:
    """Measure schedules in a worker, each in turn with the default: a busy machine is slow to both."""
    with Measurer(subject, workers=1) as measurer:
        outcomes = dict(measurer.measure(schedules))
    found = [outcomes.get(schedule) for schedule in schedules]
    return [one.relative if isinstance(one, Measured) else None for one in found]


def main() -> None:
    """Print the quality of each layer, pair and tier."""
    asked = arguments()
    found: dict[str, Quality] = {}
    host = resolve_target("host")
    caches = "/".join(map(str, host.caches))
    for tier, pair, text in product(asked.tiers, asked.pairs, asked.layers):
        target = resolve_target(f"{tier},cpu={host.cpu},caches={caches}")
        machine = measured_table(target) if asked.measured else table_of(target)
        program = program_of(ConvLayer.parse(text), *pair.split(","), ("w",))
        op = next(one for one in program.module.walk() if isinstance(one, LinearOp))
        name = f"{tier} {pair} {text}"
        found[name] = quality(
            Space(op, target),
            machine,
            partial(relative, Subject(str(program.module), str(target))),
            asked.samples,
            asked.seed,
        )
        print(table({name: found[name]}).splitlines()[0], flush=True)
    print(table(found).splitlines()[-1])


if __name__ == "__main__":
    main()
