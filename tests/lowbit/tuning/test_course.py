"""What the events of a run add up to, at any moment."""

from __future__ import annotations

import pytest
from tuning_runs import FINISHED, STARTED, events, tried

from autotune.events import Finished
from lowbit.tuning.course import Course
from lowbit.tuning.progress import shown, told
from lowbit.tuning.words import clock, duration


@pytest.fixture
def course() -> Course:
    return Course(clock=lambda: 100.0)


def test_nothing_is_known_before_the_work_begins(course: Course) -> None:
    assert told(course) == "getting ready"
    assert course.left() is None and course.done() == 0 and course.elapsed == 0
    assert course.total() is None and course.limit is None and course.why == "interrupted"


def test_a_layer_is_only_as_good_as_what_was_measured(course: Course) -> None:
    course(STARTED)
    assert told(course) == "0/8 tried, 1:00 left"
    first, second, *rest = tried()
    course(first)
    assert course.total() is None  # nothing of the other layer
    course(second)
    assert course.total() == pytest.approx(2 * 10e-6 + 2e-6)
    assert told(course) == "2/8 tried, 2.0 a second, best 22 us, 41% of the limit, 0:03 left"
    for one in rest:
        course(one)
    assert course.best["A&1"].seconds == 5e-6 and course.best["A&1"].default == 10e-6
    assert course.failures == {"timeout": 1}
    assert "6/8 tried, 1 failed, 2.0 a second, best 12 us, 75% of the limit" in told(course)


def test_time_goes_on_between_events(course: Course) -> None:
    for one in (STARTED, *tried()):
        course(one)
    assert course.elapsed == 3.0 and course.left() == 1.0 and course.done() == 6 / 8
    course.clock = lambda: 100.5
    assert course.elapsed == 3.5 and course.left() == 0.5
    course.clock = lambda: 1000.0
    assert course.left() == 0.0 and course.done() == 1.0


def test_the_tuner_has_the_last_word(course: Course) -> None:
    for one in events():
        course(one)
    assert course.best["A&1"] == FINISHED.best[0] and course.why == "trials"
    course(Finished((), "interrupted"))
    assert course.best == {} and course.why == "interrupted"


def test_numbers_read_well() -> None:
    assert [duration(s) for s in (12.345, 0.012345, 1.2345e-5)] == ["12.3 s", "12.3 ms", "12.3 us"]
    assert [clock(s) for s in (5, 65, 3665)] == ["0:05", "1:05", "1:01:05"]


def test_a_line_is_kept_on_a_terminal_alone(
    course: Course, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with shown(course):
        course(STARTED)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with shown(course):
        for one in tried():
            course(one)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "6/8 tried, 1 failed, 2.0 a second, best 12 us, 75% of the limit" in captured.err
