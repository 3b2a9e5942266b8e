"""What a tuning run is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autotune.search import Evolution, ExhaustiveSearch, RandomSearch
from lowbit.compiling import check_threads
from lowering.backend.pool import usable_cores
from microkernels.target import Target

STRATEGIES = {
    "guided": Evolution,
    "evolutionary": Evolution,
    "random": RandomSearch,
    "exhaustive": ExhaustiveSearch,
}
"""`guided` begins with the model's first choices; all that evolves, with what records know of like layers."""


@dataclass(frozen=True)
class Asked:
    """How schedules are searched for."""

    target: Target
    trials: int = 64
    strategy: str = "guided"
    time_budget: float | None = None
    workers: int | None = None
    cluster: str | None = None
    seed: int = 0
    log: Path | None = None
    resume: bool = False
    threads: int = 1
    correction: bool = False
    runner: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError naming what is no such number or strategy."""
        if self.strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise ValueError(f"unknown strategy {self.strategy!r:.60}: the strategies are {known}")
        for name, least in (("trials", 1), ("seed", 0), ("workers", 1)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise ValueError(f"{name} is a whole number of at least {least}, not {value!r:.60}")
        budget = self.time_budget
        if budget is not None and not (type(budget) in (int, float) and 0 < budget < float("inf")):
            raise ValueError(f"time_budget is a number of seconds above 0, not {budget!r:.60}")
        if self.runner is not None:
            self._check_runner()
        cores = usable_cores()
        if check_threads(self.threads) > cores and self.cluster is None:
            raise ValueError(
                f"{self.threads} threads cannot be timed: this process may use {cores} cores"
            )
        if self.correction and self.strategy != "guided":
            raise ValueError("correction is of the model's first choices: use strategy='guided'")

    def _check_runner(self) -> None:
        """Raise ValueError for what a board does not do."""
        if check_threads(self.threads) > 1:
            raise ValueError("a runner times one thread: leave out threads")
        for name in ("workers", "cluster", "correction"):
            if getattr(self, name):
                raise ValueError(f"a runner is one board and measures alone: leave out {name}")

    @property
    def elsewhere(self) -> bool:
        """Whether another machine measures."""
        return self.cluster is not None or self.runner is not None

    @property
    def processes(self) -> int:
        """How many measure: as many as cores allow unless given."""
        if self.runner is not None:
            return 1
        return self.workers or max(1, usable_cores() // self.threads)
