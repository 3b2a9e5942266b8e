"""The tuner on spaces and workers that are made up: where trials go, what ends them, what is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.candidate import Plan
from autotune.events import Event, Finished, Layer, Started, Tried
from autotune.log import Log
from autotune.measuring import C, Subject
from autotune.outcome import Failed, Measured, Outcome
from autotune.tuning import Run, Task, tune
from autotune.whole import Whole
from lowbit_dialect.schedule import Schedule

DEFAULT = Schedule(pixels=1)


class InOrder:
    """Proposes pixels 2, 3, ... up to `last`."""

    def __init__(self, last: int) -> None:
        self.coming = iter(range(2, last + 1))
        self.observed: list[Schedule] = []

    def propose(self, count: int) -> list[Schedule]:
        known = {schedule.pixels for schedule in self.observed}
        found: list[Schedule] = []
        while len(found) < count and (pixels := next(self.coming, None)) is not None:
            if pixels not in known:
                found.append(Schedule(pixels=pixels))
        return found

    def observe(self, schedule: Schedule, outcome: Outcome) -> None:
        self.observed.append(schedule)


class Workers:
    """Layers named by their program: `steep` gains 1 % of its first time a pixel, `broken` fails."""

    machine = "an abacus"

    def __init__(self) -> None:
        self.interrupt_after = 10**9
        self.count = 0
        self.inside: Callable[[Plan], float] = lambda plan: 1.0

    def measure(
        self,
        candidates: Iterable[C],
        subject: Subject | None = None,
        until: float | None = None,
    ) -> Iterator[tuple[C, Outcome]]:
        assert subject is not None
        for candidate in candidates:
            self.count += 1
            if self.count > self.interrupt_after:
                raise KeyboardInterrupt
            if isinstance(candidate, Plan):
                seconds = self.inside(candidate)
            else:
                assert candidate.pixels
                seconds = 1.01 - candidate.pixels / 100 if subject.program == "steep" else 1.0
            broken = subject.program == "broken"
            yield candidate, Failed("crash", "") if broken else Measured(seconds, 0.0, seconds)


def task(name: str, last: int = 200) -> Task:
    layer = Layer(name, name)
    return Task(layer, f"key of {name}", name, Subject(name), DEFAULT, InOrder(last))


def run(tasks: list[Task], workers: Workers, path: Path, **limits: object) -> list[Event]:
    heard: list[Event] = []
    settings = Run("x86-64", "in order", Log(path), **limits)  # type: ignore[arg-type]
    tune(tasks, workers, settings, heard.append)
    return heard


def tried(heard: list[Event], layer: str) -> list[Tried]:
    return [one for one in heard if isinstance(one, Tried) and one.layer == layer]


def test_trials_go_where_they_gain(tmp_path: Path) -> None:
    tasks = [task("flat"), task("steep"), task("broken")]
    heard = run(tasks, Workers(), tmp_path / "log", trials=100)
    first, *middle, last = heard
    assert isinstance(first, Started) and [one.name for one in first.layers][1] == "steep"
    assert isinstance(last, Finished) and last.why == "trials"
    assert [one.trial for one in middle if isinstance(one, Tried)] == list(range(1, 101))
    counts = {one.layer.name: len(tried(heard, one.layer.name)) for one in tasks}
    assert counts["steep"] > 2 * counts["flat"] and counts["broken"] == 1
    assert [one.layer for one in last.best] == ["flat", "steep"]
    assert last.best[1].seconds < 0.5 and last.best[1].default == 1.0
    assert last.best[0].schedule == DEFAULT
    assert len(Log(tmp_path / "log").read().records) == 100


def test_the_space_and_the_time_end(tmp_path: Path) -> None:
    heard = run([task("steep", last=5)], Workers(), tmp_path / "log")
    assert isinstance(heard[-1], Finished) and heard[-1].why == "space"
    assert [one.schedule.pixels for one in tried(heard, "steep")] == [1, 2, 3, 4, 5]
    heard = run([task("steep")], Workers(), tmp_path / "log", time_budget=1e-9)
    assert isinstance(heard[-1], Finished) and heard[-1].why == "time"
    assert len(tried(heard, "steep")) == 1 and len(heard[-1].best) == 1


def test_nothing_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    run([task("steep", last=9)], Workers(), path)
    heard = run([task("steep", last=12)], Workers(), path, resume=True)
    assert isinstance(heard[0], Started) and heard[0].resumed == 9
    assert [one.schedule.pixels for one in tried(heard, "steep")] == [10, 11, 12]
    assert isinstance(heard[-1], Finished) and heard[-1].best[0].schedule.pixels == 12


def test_times_of_other_threads_are_none_of_these(tmp_path: Path) -> None:
    path = tmp_path / "log"
    run([task("steep", last=9)], Workers(), path)
    for threads, resumed in ((2, 0), (2, 9), (1, 9)):
        heard = run([task("steep", last=9)], Workers(), path, resume=True, threads=threads)
        assert isinstance(heard[0], Started) and heard[0].resumed == resumed
    assert [record.threads for record in Log(path).read().records] == [1] * 9 + [2] * 9


def test_what_is_fastest_for_a_like_layer_is_tried_next(tmp_path: Path) -> None:
    op = "dense uint1 x odd1: 1x{} to 8"
    long, like, other = task("long", last=17), task("like", last=9), task("other", last=9)
    long.layer = replace(long.layer, count=9)
    long.subject = like.subject = Subject("steep")
    long.op, like.op = op.format(64), op.format(128)
    long.fit = like.fit = lambda schedule: Schedule(pixels=(schedule.pixels or 0) + 30)
    heard = run([long, like, other], Workers(), tmp_path / "log")
    sources = {
        name: [(one.schedule.pixels, one.strategy) for one in tried(heard, name)]
        for name in ("long", "like", "other")
    }
    assert sources["long"][1:3] == [(31, "like"), (2, "in order")]
    assert sources["like"][1:3] == [(61, "like"), (2, "in order")]
    assert all(source == "in order" for _, source in sources["other"])
    for known in sources.values():
        assert len({pixels for pixels, _ in known}) == len(known)


def test_an_interrupt_goes_through_and_the_log_has_all_before(tmp_path: Path) -> None:
    workers = Workers()
    workers.interrupt_after = 5
    with pytest.raises(KeyboardInterrupt):
        run([task("steep")], workers, tmp_path / "log")
    assert len(Log(tmp_path / "log").read().records) == 5


def test_what_is_fastest_alone_may_lose_inside_the_program(tmp_path: Path) -> None:
    """There the second layer is slow after a block of 9 pixels, and a default is never best."""

    def inside(plan: Plan) -> float:
        first, second = (one.pixels or 0 for one in plan.schedules)
        return 3.0 - first / 10 - second / 100 + (first == 9)

    workers = Workers()
    workers.inside = inside
    places = {"steep": (0,), "flat": (1,)}
    whole = Whole(Subject("both"), Plan((DEFAULT, DEFAULT)), places)
    tasks = [task("flat", last=3), task("steep", last=9)]
    last = run(tasks, workers, tmp_path / "log", whole=whole)[-1]
    assert isinstance(last, Finished)
    assert {one.layer: one.schedule.pixels for one in last.best} == {"steep": 8, "flat": 3}
    assert last.seconds == inside(Plan((Schedule(pixels=8), Schedule(pixels=3))))
    assert last.default == pytest.approx(inside(Plan((DEFAULT, DEFAULT))))


def test_defaults_stay_where_the_program_is_fastest_by_them(tmp_path: Path) -> None:
    workers = Workers()
    workers.inside = lambda plan: 1.0 + (plan.schedules[0] != DEFAULT)
    whole = Whole(Subject("both"), Plan((DEFAULT, DEFAULT)), {"steep": (0, 1)})
    last = run([task("steep", last=9)], workers, tmp_path / "log", whole=whole)[-1]
    assert isinstance(last, Finished)
    assert last.best[0].schedule == DEFAULT and last.seconds == 1.0


def test_time_is_kept_for_the_last_round(tmp_path: Path) -> None:
    ends: list[float] = []

    class Late(Workers):
        """Takes 20 ms for each, and gives no plan its time."""

        def measure(
            self,
            candidates: Iterable[C],
            subject: Subject | None = None,
            until: float | None = None,
        ) -> Iterator[tuple[C, Outcome]]:
            for candidate, outcome in super().measure(candidates, subject):
                time.sleep(0.02)
                if isinstance(candidate, Plan):
                    assert until is not None
                    ends.append(until - time.monotonic())
                    return
                yield candidate, outcome

    whole = Whole(Subject("both"), Plan((DEFAULT, DEFAULT)), {"steep": (0, 1)})
    heard = run([task("steep")], Late(), tmp_path / "log", whole=whole, time_budget=1.0)
    last = heard[-1]
    assert isinstance(last, Finished) and last.why == "time" and last.seconds is None
    assert last.best[0].schedule.pixels > 10
    assert 0 < ends[0] < 0.25
