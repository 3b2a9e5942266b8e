"""The page of a program timed by layers: as that of a benchmark, one HTML file that holds everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lowbit.bench.charts import Bar, bars, tag
from lowbit.bench.graph import Box, graph
from lowbit.bench.profile import Profile, Row
from lowbit.bench.report import document, machine_section, paragraph, section, table
from lowbit_dialect.schedule import Schedule


def profile_page(machine: Mapping[str, Any], program: str, profile: Profile) -> str:
    """A report on one program; `machine` is what `lowbit bench --json` says of it."""
    over = profile.time_us / profile.limit_us
    whole = f"{profile.time_us:.1f} us, {over:.2f} times the limits of all layers"
    sections = [
        paragraph(f"{machine['cpu']}, one pinned core, {machine['target']}"),
        tag("ul", tag("li", tag("b", whole), "from the first layer to the last"), class_="means"),
        *(section("Against onnxruntime", _PEERS, _beside(profile)) if profile.peers else ()),
        *section("Shares", "Of the time of all layers.", _bars(profile)),
        *section("Graph", _GRAPH, _graph(profile)),
        *section("Layers", _SAID, _rows(profile)),
        *machine_section(machine),
    ]
    return document("bench", program, sections)


_SAID = (
    "Medians over allocations and processes in microseconds, and the distance from the least to the most. "
    "Limits are the larger of arithmetic time, of the fastest family of kernels, and bytes time."
)


_PEERS = (
    "Time of the whole network in the same run, one thread: in f32 without quantisers, and in int8 with "
    "those of ONNX in their place."
)


def _beside(profile: Profile) -> str:
    def row(name: str, us: float, colour: str) -> tuple[str, list[Bar]]:
        ratio = us / profile.time_us
        return name, [Bar(us, f"{us:.1f} us, {ratio:.2f}x", colour, f"{name}: {us} us")]

    rows = [row("ours", profile.time_us, "ours")]
    rows += [
        row(one.precision, one.time_us, f"onnxruntime {one.precision}") for one in profile.peers
    ]
    return bars(rows, "", unit=" us")


_GRAPH = (
    "Layers in the order in which they run, each below those whose results it reads, with algorithm, kernel "
    "and the layout of its result; what is filled is its share of the time."
)


def _graph(profile: Profile) -> str:
    def box(row: Row) -> Box:
        part = row.part
        how = ", ".join(filter(None, (Schedule.parse(part.schedule).algorithm, part.kernel)))
        said = f"{part.op} {how}" if how else part.op
        words = f"{row.time_us:.2f} us  {part.layer}", f"{said}  to {part.layouts[-1]}"
        tip = f"{part.op} {part.shape}: {row.time_us} us, {row.over_limit:.2f} times its limit"
        return Box(words, row.share, part.reads, tip)

    return graph([box(row) for row in profile.rows])


def _bars(profile: Profile) -> str:
    def bar(row: Row) -> Bar:
        tip = f"{row.part.op} {row.part.shape}: {row.time_us} us"
        return Bar(100 * row.share, f"{row.share:.1%}", "ours", tip)

    return bars([(row.part.layer, [bar(row)]) for row in profile.rows], "", unit="%")


def _rows(profile: Profile) -> str:
    head = ["layer", "us", "+-", "share", "limit us", "over limit", "limited by", "bytes"]
    head += ["op", "kernel", "shape", "layouts", "schedule"]
    rows: list[list[str]] = []
    for row in profile.rows:
        part, bytes = row.part, row.part.work.bytes_read + row.part.work.bytes_written
        numbers = [f"{row.time_us:.2f}", f"{row.spread_us:.2f}", f"{row.share:.1%}"]
        numbers += [f"{row.limit_us:.2f}", f"{row.over_limit:.2f}", row.limited_by, str(bytes)]
        what = [part.op, part.kernel, part.shape, " | ".join(part.layouts), part.schedule]
        rows.append([part.layer, *numbers, *what])
    return table(head, rows)
