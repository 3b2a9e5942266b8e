"""How soon strategies find what is fast on real layers, by times that are measured once and kept.

    python -m tests.support.measured_study --table times.jsonl [--trials 64] [--seeds 10] [--minutes 25]

Each layer, strategy and seed has the same number of trials. The area is the mean over trials of the best time
of all over the best so far. A table holds a line for each layer and schedule; what is there is not measured
again, so that a study that was cut short, by `--minutes` too, goes on from it.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median, stdev

from autotune.measuring import Measurer, Subject
from autotune.outcome import Failed, Measured, Outcome
from autotune.processors import table_of
from autotune.search import Evolution, RandomSearch, Strategy
from autotune.shortlist import shortlist
from autotune.space import Space
from autotune.starts import FIRST
from lowbit.bench.suites import ConvLayer, program_of
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import host_target
from tests.support.model_study import LAYERS

TURN = 8
KINDS = ("random", "evolutionary", "guided")


class Timed:
    """The schedules of a layer, each measured when it is first asked for."""

    def __init__(self, layer: str, pair: str, measurer: Measurer, path: Path):
        program = program_of(ConvLayer.parse(layer), *pair.split(","), ("w",))
        op = next(one for one in program.module.walk() if isinstance(one, LinearOp))
        target = host_target()
        self.name, self.path, self.measurer = f"{layer} {pair}", path, measurer
        self.subject = Subject(str(program.module), "host")
        self.space = Space(op, target)
        self.model = [schedule for schedule, _ in shortlist(self.space, table_of(target), FIRST)]
        self.times: dict[Schedule, float | None] = {}
        """Beside the default's, which is measured in turn with each."""
        self.spent: dict[Schedule, float] = {}
        """Seconds that it took to measure each."""
        for line in path.read_text().splitlines() if path.exists() else ():
            told = json.loads(line)
            if told["layer"] == self.name:
                self._keep(Schedule.parse(told["schedule"]), told["relative"], told["spent"])

    def _keep(self, schedule: Schedule, took: float | None, spent: float) -> None:
        self.times[schedule], self.spent[schedule] = took, spent

    def outcome(self, schedule: Schedule) -> Outcome:
        """What is known of a schedule, or is measured now."""
        if schedule not in self.times:
            began = time.monotonic()
            ((_, found),) = self.measurer.measure([schedule], self.subject)
            took = found.relative if isinstance(found, Measured) else None
            self._keep(schedule, took, time.monotonic() - began)
            told = {"layer": self.name, "schedule": str(schedule), "relative": took}
            with self.path.open("a") as file:
                file.write(json.dumps(told | {"spent": self.spent[schedule]}) + "\n")
        took = self.times[schedule]
        return Failed("crash", "it failed") if took is None else Measured(took, 0.0, took)

    @property
    def best(self) -> float:
        """The time of the fastest that was ever measured."""
        return min(took for took in self.times.values() if took is not None)

    def strategy(self, kind: str, seed: int) -> Strategy:
        """A strategy that has heard of nothing yet."""
        if kind == "random":
            return RandomSearch(self.space, seed)
        return Evolution(self.space, seed, self.model if kind == "guided" else ())

    def search(self, kind: str, seed: int, trials: int) -> list[Schedule]:
        """What a strategy tries, in order."""
        strategy, tried = self.strategy(kind, seed), list[Schedule]()
        while len(tried) < trials and (turn := strategy.propose(min(TURN, trials - len(tried)))):
            for schedule in turn:
                strategy.observe(schedule, self.outcome(schedule))
            tried += turn
        return tried

    def area(self, tried: Sequence[Schedule]) -> float:
        """The mean of the best of all over the best so far."""
        fastest, shares = float("inf"), list[float]()
        for schedule in tried:
            fastest = min(fastest, self.times[schedule] or float("inf"))
            shares.append(self.best / fastest)
        return mean(shares)

    def trials_to(self, tried: Sequence[Schedule], took: float) -> tuple[int, float] | None:
        """Trials, and seconds of measuring, until one is as fast; None if none is."""
        for number, schedule in enumerate(tried, 1):
            if (self.times[schedule] or float("inf")) <= took:
                return number, sum(self.spent[one] for one in tried[:number])
        return None


def main() -> None:
    """Measure in turns over the layers, a seed at a time, and print what came of it."""
    parser = ArgumentParser(description="How soon strategies find what is fast.")
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--layers", nargs="+", default=[*LAYERS, "13 13 192 384 3 1 1"])
    parser.add_argument("--pair", default="uint2,odd1")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=25.0)
    asked = parser.parse_args()
    end = time.monotonic() + 60 * asked.minutes
    found: dict[tuple[str, str], list[list[Schedule]]] = {}
    with Measurer() as measurer:
        layers = [Timed(one, asked.pair, measurer, asked.table) for one in asked.layers]
        done = 0
        while done < asked.seeds and time.monotonic() < end:
            for layer in layers:
                for kind in KINDS:
                    tried = layer.search(kind, done, asked.trials)
                    found.setdefault((layer.name, kind), []).append(tried)
            done += 1
        tops = {one.name: [(s, one.outcome(s)) for s in one.model] for one in layers}
    print(f"{done} seeds, {asked.trials} trials each")
    areas: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for layer in layers:
        for kind in KINDS:
            areas[kind].append([layer.area(tried) for tried in found[layer.name, kind]])
        told = ", ".join(f"{kind} {spread(areas[kind][-1])}" for kind in KINDS)
        print(f"{layer.name}: {told}")
        top = min(o.seconds for _, o in tops[layer.name] if isinstance(o, Measured))
        spent = sum(layer.spent[schedule] for schedule in layer.model)
        runs = found[layer.name, "evolutionary"]
        reached = [one for tried in runs if (one := layer.trials_to(tried, top)) is not None]
        need = f"{median(n for n, _ in reached):g} trials, " if reached else ""
        need += f"{median(s for _, s in reached):.1f} s " if reached else ""
        print(
            f"  model's first {FIRST}: {layer.best / top:.3f} of the best in {spent:.1f} s; evolution as "
            f"fast in {len(reached)} of {done} runs, median of these {need or '-'}"
        )
    means = {kind: [mean(seed) for seed in zip(*areas[kind])] for kind in KINDS}
    for kind in KINDS:
        ahead = [one - other for one, other in zip(means[kind], means["random"])]
        print(f"{kind}: area {spread(means[kind])}, ahead of random by {spread(ahead)}")


def spread(values: Sequence[float]) -> str:
    """The mean and the deviation over seeds."""
    return f"{mean(values):.4f} +- {stdev(values) if len(values) > 1 else 0:.4f}"


if __name__ == "__main__":
    main()
