"""What tuning found reads well, to a person and to a program."""

from __future__ import annotations

import json

from tuning_runs import LAYERS, STARTED, events, tried, tuned

from autotune.events import Finished, Started

TABLE = """\
layer    us  default us  limit us  of limit  tried  schedule
A&1    5.10       10.20      4.00       78%      4  pixels = 6
B2     2.00        2.00      1.00       50%      2  pixels = 2
2 layers tuned in 3 s, 6 candidates, 1 of them failed: 12.2 us, 1.84 times as fast as the default, \
74% of the limit; the program takes 15 us, by default 25 us"""


def test_a_result_in_full() -> None:
    result = tuned(events())
    assert str(result) == TABLE
    assert repr(result) == f"<Tuned main: {TABLE.splitlines()[-1]}>"
    assert "<td>A&amp;1</td>" in result._repr_html_().replace(' style="text-align: left"', "")


def test_a_result_as_json() -> None:
    told = json.loads(json.dumps(tuned(events()).to_json()))
    assert [one["layer"] for one in told["layers"]] == ["A&1", "B2"]
    assert told["layers"][0] == {
        "layer": "A&1",
        "op": LAYERS[0].op,
        "count": 2,
        "schedule": "pixels = 6",
        "time_us": 5.1,
        "default_us": 10.2,
        "limit_us": 4.0,
        "trials": 4,
    }
    assert told["untuned"] == [] and told["why"] == "trials" and told["failed"] == {"timeout": 1}


def test_what_was_found_before_an_interrupt_is_kept() -> None:
    first, _, third, failed, *_ = tried()
    result = tuned([STARTED, first, third, failed])
    assert result.summary() == (
        "1 layer tuned in 2 s, interrupted before the best were timed again, 3 candidates, 1 of them "
        "failed: 16 us, 1.25 times as fast as the default, 50% of the limit; nothing could be measured of B2"
    )
    assert tuned([]).summary() == (
        "0 layers tuned in 0 s, interrupted before the best were timed again, 0 candidates"
    )
    assert str(tuned([])) == tuned([]).summary()


def test_without_limits_none_is_told() -> None:
    layers = tuple(type(one)(one.name, one.op) for one in LAYERS)
    started = Started(layers, "random", None, 5.0, 1)
    result = tuned([started, *tried(), Finished((), "time")])
    assert result.untuned == ("A&1", "B2")
    result = tuned([started, *tried()])
    assert [one.cells[3:5] for one in result.layers] == [("-", "-")] * 2
    assert result.limit_us == 0 and "limit" not in result.summary()
