"""The page of a tuning run is well formed, alone, and shows every candidate that was measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import CHROMIUM, show
from pages import MACHINE, read
from tuning_runs import FINISHED, LAYERS, STARTED, events, tried, tuned

from autotune.events import Event, Started
from lowbit.tuning.page import convergence, page


@pytest.fixture(scope="module")
def text() -> str:
    return page(MACHINE, "net & co", tuned(events()))


def test_a_page_is_well_formed_and_alone(text: str) -> None:
    reader = read(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.seen)
    assert "http" not in text and "url(" not in text and "@import" not in text
    assert "lowbit tune: net & co" in reader.texts


def test_every_layer_and_candidate_is_shown(text: str) -> None:
    reader = read(text)
    headings = ["Convergence", "Predicted against measured", "Roofline", "Layers"]
    for one in (*headings, "Failed candidates", "no answer in <10> s", "1.84x", "74%"):
        assert one in reader.texts
    for name in ("default", "model", "evolutionary"):
        assert name in reader.texts  # at the end of its curve
    assert reader.seen.count("circle") == 3 + 4 + 2  # ends of curves, predictions, layers
    assert sum(", predicted" in one for one in reader.texts) == 4


def test_a_curve_is_of_what_its_strategy_found() -> None:
    course = tuned(events()).course
    assert convergence(course, "default").points == [(1.0, pytest.approx((5.1 / 10 + 1) / 2))]
    evolved = convergence(course, "evolutionary").points
    assert evolved == [(1.0, pytest.approx((0 + 2 / 2.5) / 2)), (2.0, pytest.approx((1 + 0.8) / 2))]


@pytest.mark.parametrize(
    "heard",
    [
        [],
        [STARTED],
        [STARTED, tried()[3]],
        [STARTED, tried()[0]],
        [Started(LAYERS[1:], "random", None, None, 1), tried()[1], FINISHED],
    ],
)
def test_any_part_of_a_run_has_a_page(heard: list[Event]) -> None:
    for machine in (MACHINE, {name: MACHINE[name] for name in ("cpu", "target")}):
        read(page(machine, "net", tuned(heard)))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_shows_every_chart(text: str, tmp_path: Path) -> None:
    shown = show(text, tmp_path)
    assert shown.complaints == []
    assert len(shown.charts) == 3
    for chart in shown.charts:
        assert chart.width > 600 and chart.height > 200 and chart.inside
        assert chart.marks == chart.drawn > 10
