"""The course of a tuning run: what its events add up to, at any moment."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from autotune.events import Best, Event, Finished, Layer, Started, Tried
from autotune.outcome import Failed, Measured


@dataclass
class Course:
    """Listens to a tuner; everything that is shown of a run is read here."""

    clock: Callable[[], float] = time.monotonic
    heard: float = 0.0
    """What the clock showed at the last event."""
    started: Started | None = None
    tried: list[Tried] = field(default_factory=list[Tried])
    finished: Finished | None = None
    best: dict[str, Best] = field(default_factory=dict[str, Best])
    """The winner of each layer that has one: the fastest so far, then what the tuner says at the end."""

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        self.heard = self.clock()
        match event:
            case Started():
                self.started = event
            case Tried():
                self.tried.append(event)
                self._improve(event)
            case Finished():
                self.finished = event
                self.best = {one.layer: one for one in event.best}

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What is tuned; nothing before it is known."""
        return self.started.layers if self.started else ()

    @property
    def why(self) -> str:
        """What ended the run: `interrupted` where the tuner never said that it was finished."""
        return self.finished.why if self.finished else "interrupted"

    @property
    def seconds(self) -> float:
        """From the beginning to the last candidate."""
        return self.tried[-1].seconds if self.tried else 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the work began."""
        return self.seconds + self.clock() - self.heard if self.started else 0.0

    @property
    def failures(self) -> Counter[str]:
        """How many candidates failed, by kind."""
        return Counter(one.outcome.kind for one in self.tried if isinstance(one.outcome, Failed))

    def of(self, layer: str) -> list[Tried]:
        """The candidates of a layer, in order."""
        return [one for one in self.tried if one.layer == layer]

    def _improve(self, one: Tried) -> None:
        """Make a candidate the winner of its layer if none so far is as fast."""
        if not isinstance(one.outcome, Measured):
            return
        seconds = one.outcome.seconds
        so_far = self.best.get(one.layer)
        if so_far is None or seconds < so_far.seconds:
            default = so_far.default if so_far else seconds
            self.best[one.layer] = Best(one.layer, one.schedule, seconds, default)

    def total(self) -> float | None:
        """Seconds that the best schedules take together, each as often as a call runs it; None until each
        layer has one."""
        if not self.layers or any(layer.name not in self.best for layer in self.layers):
            return None
        return sum(self.best[layer.name].seconds * layer.count for layer in self.layers)

    @property
    def limit(self) -> float | None:
        """Seconds that all layers cannot beat; None where it is not known of each."""
        if not self.layers or any(not layer.limit for layer in self.layers):
            return None
        return sum(layer.limit * layer.count for layer in self.layers)

    def rate(self) -> float | None:
        """Candidates a second so far."""
        return len(self.tried) / self.seconds if self.seconds else None

    def left(self) -> float | None:
        """Seconds until a limit ends the work; None where there is nothing to tell it from."""
        if self.started is None:
            return None
        ends: list[float] = []
        if self.started.time_budget is not None:
            ends.append(self.started.time_budget)
        if self.started.trials is not None and (rate := self.rate()):
            ends.append(self.seconds + (self.started.trials - len(self.tried)) / rate)
        return max(0.0, min(ends) - self.elapsed) if ends else None

    def done(self) -> float:
        """How much of the work is behind it, from 0 to 1."""
        parts = [0.0]
        if self.started and self.started.trials:
            parts.append(len(self.tried) / self.started.trials)
        if self.started and self.started.time_budget:
            parts.append(self.elapsed / self.started.time_budget)
        return min(1.0, max(parts))
