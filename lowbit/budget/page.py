"""The page of a search for bits: one HTML file that holds everything, and needs no script and no network."""

from __future__ import annotations

from lowbit.bench.charts import tag
from lowbit.bench.curves import Dot, scatter
from lowbit.bench.report import document, key, paragraph, section, table
from lowbit.budget.result import HEAD, Precise, Tried


def page(target: str, title: str, found: Precise) -> str:
    """A report on a search for a target."""
    sections = [
        paragraph(f"Times are what the analytic model says of {target}."),
        tag(
            "ul",
            *(tag("li", tag("b", b), words) for words, b in _means(found).items()),
            class_="means",
        ),
        *section("Time and accuracy", _DOTS, _chart(found)),
        *section("Layers", _LAYERS, table(HEAD, [one.cells for one in found.layers])),
        *section("Measured choices", "On all inputs, fastest first.", _measured(found)),
    ]
    return document("precision", title, sections)


_DOTS = (
    "Each dot is a choice of bits: predicted time of all layers, and the share of inputs that are right, "
    "measured by compiled code."
)
_LAYERS = (
    "Bits as given and as chosen, predicted microseconds, and the cross entropy in nats that is lost if the "
    "activation alone or the weights alone have the fewest bits offered."
)


def _means(found: Precise) -> dict[str, str]:
    told = {
        "as fast as given": f"{found.gain:.2f}x",
        f"right, given {found.given.accuracy:.2%}, budget {found.budget:.2%}": f"{found.chosen.accuracy:.2%}",
    }
    if (uniform := found.best_uniform) is not None and found.chosen.seconds:
        words = "as fast as the best uniform bits within the budget"
        told[words] = f"{uniform.seconds / found.chosen.seconds:.2f}x"
    return told


_KINDS = ("as given", "of the best choices", "uniform", "chosen")


def _all(found: Precise) -> list[tuple[Tried, int]]:
    kinds = [
        (found.given, 0),
        *((one, 1) for one in found.tried),
        *((one, 2) for one in found.uniform),
    ]
    listed = [(one, kind) for one, kind in kinds if one != found.chosen]
    return sorted([*listed, (found.chosen, 3)], key=lambda one: one[0].seconds)


def _chart(found: Precise) -> str:
    dots = [
        Dot(
            one.seconds * 1e6,
            one.accuracy * 100,
            kind,
            f"{one.name}: {one.right} of {one.count} right",
        )
        for one, kind in _all(found)
    ]
    colours = [(f"series{n}", words) for n, words in enumerate(_KINDS)]
    return key(colours) + scatter(dots, "predicted, us", "right, %")


def _measured(found: Precise) -> str:
    rows = [
        [
            one.name,
            _KINDS[kind],
            f"{one.seconds * 1e6:.2f}",
            f"{one.accuracy:.2%}",
            f"{one.loss:.4f}",
        ]
        for one, kind in _all(found)
    ]
    return table(["bits", "what", "us", "right", "cross entropy"], rows)
