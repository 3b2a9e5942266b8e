"""The page of a tuning run: one HTML file that holds everything, and needs no script and no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from autotune.events import Tried
from autotune.outcome import Failed, Measured
from lowbit.bench.charts import Point, roofline, tag
from lowbit.bench.curves import COLOURS, Curve, Dot, against, steps
from lowbit.bench.limits import Work
from lowbit.bench.report import document, key, machine_section, paragraph, section, table
from lowbit.tuning.course import Course
from lowbit.tuning.tuned import HEAD, Tuned
from lowbit.tuning.words import duration

LONGEST = 200
"""Letters of a message that is shown."""


def page(machine: Mapping[str, Any], title: str, tuned: Tuned) -> str:
    """A report on a run; `machine` is what is known of this one, with its rates if it can run the code."""
    course = tuned.course
    strategy = course.started.strategy if course.started else ""
    sections = [
        paragraph(f"{machine['cpu']}, {machine['target']}, strategy {strategy}"),
        _means(tuned),
        *_convergence(course),
        *_predictions(course),
        *(_roofline(machine, tuned) if "gb_per_s" in machine and tuned.layers else ()),
        *section("Layers", _LAYERS, table(HEAD, [one.cells for one in tuned.layers])),
        *_failures(course),
        *machine_section(machine),
    ]
    return document("tune", title, sections)


_LAYERS = (
    "Medians in microseconds, of the schedule that was found and of the default in the same run. The limit "
    "is the larger of arithmetic time, of the fastest family of kernels, and bytes time."
)


def _means(tuned: Tuned) -> str:
    told: dict[str, str] = {}
    if tuned.layers:
        told["as fast as the default"] = f"{tuned.default_us / tuned.time_us:.2f}x"
        told["all layers"] = duration(tuned.time_us / 1e6)
    if tuned.limit_us:
        told["of the limit"] = f"{tuned.limit_us / tuned.time_us:.0%}"
    told |= {"candidates": str(tuned.trials), "from first to last": duration(tuned.seconds)}
    items = (tag("li", tag("b", number), words) for words, number in told.items())
    return tag("ul", *items, class_="means")


def _convergence(course: Course) -> list[str]:
    names = dict.fromkeys(one.strategy for one in course.tried)
    curves = [curve for name in names if (curve := convergence(course, name)).points]
    if not curves:
        return []
    said = (
        "Time of the best of the run over that of the best so far of each strategy, the mean over layers, by "
        "the candidates of a layer that the strategy has proposed."
    )
    return section("Convergence", said, steps(curves, "candidates a layer", "%"))


def convergence(course: Course, strategy: str) -> Curve:
    """The mean over layers of the best of all over the best of a strategy so far."""
    shares: list[list[float]] = []
    for layer, best in course.best.items():
        proposed = [one for one in course.of(layer) if one.strategy == strategy]
        if proposed:
            shares.append(_shares(proposed, best.seconds))
    longest = max(map(len, shares), default=0)
    points = [
        (float(n + 1), sum(one[min(n, len(one) - 1)] for one in shares) / len(shares))
        for n in range(longest)
    ]
    return Curve(strategy, points)


def _shares(proposed: Sequence[Tried], best: float) -> list[float]:
    """After each candidate, the best of all over the best so far; 0 until one is measured."""
    fastest, shares = float("inf"), list[float]()
    for one in proposed:
        if isinstance(one.outcome, Measured):
            fastest = min(fastest, one.outcome.seconds)
        shares.append(min(1.0, best / fastest))
    return shares


def _predictions(course: Course) -> list[str]:
    layers = [layer.name for layer in course.layers]
    dots = [
        Dot(
            one.predicted * 1e6,
            one.outcome.seconds * 1e6,
            layers.index(one.layer),
            f"{one.layer}, {one.schedule}: {one.outcome.seconds * 1e6:.2f} us, "
            f"predicted {one.predicted * 1e6:.2f}",
        )
        for one in course.tried
        if isinstance(one.outcome, Measured) and one.predicted
    ]
    if not dots:
        return []
    said = (
        "Each dot is a candidate, in the colour of its layer; on the line the model is right, above it a "
        "candidate is slower than predicted."
    )
    names = [
        (f"series{n}", ", ".join(layers[n::COLOURS])) for n in range(min(COLOURS, len(layers)))
    ]
    chart = against(dots, "predicted, us", "measured, us")
    return section("Predicted against measured", said, key(names) + chart)


def _roofline(machine: Mapping[str, Any], tuned: Tuned) -> list[str]:
    works = {one.layer: tuned.works[one.layer] for one in tuned.layers}
    (kind, _), *_ = Counter(kind for work in works.values() for kind in work.products).most_common()
    slopes = {name: rate * 1e9 for name, rate in machine["gb_per_s"].items() if "read" in name}
    points = [
        _point(one.layer, kind, works[one.layer], one.time_us)
        for one in tuned.layers
        if kind in works[one.layer].products
    ]
    said = (
        f"Each dot is a layer as tuned: {kind} multiply-adds a second, on taps inside the image, over those "
        "for each byte that must be read or written once. The roof is what a core does at best, measured in "
        "the run."
    )
    chart = roofline(points, machine[f"{kind}_gmacs_per_s"] * 1e9, slopes, kind)
    return section("Roofline", said, chart)


def _point(name: str, kind: str, work: Work, time_us: float) -> Point:
    products, moved = work.products[kind], work.bytes_read + work.bytes_written
    rate = products / time_us * 1e6
    return Point(
        name, products / moved, rate, f"{name}: {rate / 1e9:.0f} G/s, held by {work.level}"
    )


def _failures(course: Course) -> list[str]:
    failed = [(one, one.outcome) for one in course.tried if isinstance(one.outcome, Failed)]
    if not failed:
        return []
    rows: list[list[str]] = []
    for kind, count in course.failures.most_common():
        one, outcome = next((one, o) for one, o in failed if o.kind == kind)
        rows.append([kind, str(count), one.layer, outcome.message[:LONGEST], str(one.schedule)])
    said = "Of each kind the first; nothing that failed can be a result."
    return section(
        "Failed candidates", said, table(["kind", "count", "layer", "message", "schedule"], rows)
    )
