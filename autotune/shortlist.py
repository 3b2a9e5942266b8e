"""The schedules of an op that are measured first: a batch, not the cheapest.

The model errs alike on schedules that are alike, so that the eight cheapest, twins for the most part, are
fast or slow together. Each candidate is taken for what it gains when those before it are measured too: the
time of the fastest of the batch, expected over draws of the model's errors, falls the most (the expected
improvement of a batch, chosen one by one: Ginsbourger, Le Riche, Carraro, "Kriging is well-suited to
parallelize optimization", 2010).

Errors are the sum of parts, each shared by schedules that are alike so far (`ERRORS`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from autotune.machine_table import MachineTable
from autotune.model import Model, Prediction
from autotune.preparing import Stored
from autotune.ranking import Ranking
from autotune.space import Space
from lowbit_dialect.layout import Array
from lowbit_dialect.schedule import Schedule

Likeness = Callable[[Schedule], tuple[object, ...]]
ERRORS: tuple[tuple[Likeness, float], ...] = (
    (lambda one: (one.algorithm, one.microkernel, one.planes), 0.05),
    (lambda one: (one.vectors, one.pixels), 0.05),
    (lambda one: (one.taps, one.unroll), 0.03),
    (lambda one: (one,), 0.05),
)
"""What schedules that err alike have in common, on top of all before, and the deviation of the logarithm of
measured over predicted times that they share: found in 18 cells of 53 to 71 schedules
(Zen 3, AVX2, 2026-11), rounded."""
DRAWS = 1024
WITHIN = 1.4
"""How many times slower than the cheapest a kernel's bound may be."""
ALIKE = 4
"""Schedules that are looked at for each that is taken."""


def shortlist(
    space: Space,
    machine: MachineTable,
    count: int,
    stored: Stored = "codes",
    correction: Callable[[Schedule, Prediction], Prediction] | None = None,
) -> list[tuple[Schedule, Prediction]]:
    """`count` schedules that should be measured, in that order: the first is the cheapest.

    Predictions are those of a `correction` where there is one.
    """
    model = Model(space.demand.work, space.target, machine, stored, space.threads)
    found = dict(_candidates(space, model, count))
    if correction is not None:
        found = {one: correction(one, told) for one, told in found.items()}
    schedules = list(found)
    taken = batch(schedules, [found[one].seconds for one in schedules], count)
    return [(one, found[one]) for one in taken]


def _candidates(space: Space, model: Model, count: int) -> Iterator[tuple[Schedule, Prediction]]:
    """The cheapest schedules, and the cheapest of each kernel that may not be far behind."""
    ranking = Ranking(space, model, Schedule())
    cheapest = ranking.best(ALIKE * count)
    yield from cheapest
    for kernel in ranking.kernels(WITHIN * cheapest[0][1].seconds):
        yield from Ranking(space, model, kernel).best(count)


def batch(schedules: Sequence[Schedule], seconds: Sequence[float], count: int) -> list[Schedule]:
    """The `count` schedules of which the fastest is expected to be fastest, by their predicted times."""
    drawn = np.array(seconds)[:, None] * np.exp(_errors(schedules))
    taken, fastest = [int(np.argmin(seconds))], drawn[np.argmin(seconds)]
    while len(taken) < min(count, len(schedules)):
        expected = np.minimum(fastest, drawn).mean(axis=1)
        expected[taken] = np.inf
        taken.append(int(np.argmin(expected)))
        fastest = np.minimum(fastest, drawn[taken[-1]])
    return [schedules[one] for one in taken]


def _errors(schedules: Sequence[Schedule]) -> Array:
    """Draws of the logarithms of the model's errors, a row a schedule; the same for the same schedules."""
    random, errors = np.random.default_rng(0), np.zeros((len(schedules), DRAWS))
    common = [()] * len(schedules)
    for likeness, deviation in ERRORS:
        common = [(*known, *likeness(one)) for known, one in zip(common, schedules)]
        shared = {one: deviation * random.standard_normal(DRAWS) for one in dict.fromkeys(common)}
        errors += [shared[one] for one in common]
    return errors
