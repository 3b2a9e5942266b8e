"""The page of a benchmark: one HTML file that holds everything, and needs no script and no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, cast

from lowbit.bench.benchmark import PeerTime, Result, geometric_means
from lowbit.bench.charts import Bar, Point, bars, roofline, tag

STYLE = """
:root { color-scheme: light dark; --page: #fcfcfb; --ink: #0b0b0b; --soft: #52514e; --rule: #e3e2de;
  --ours: #2a78d6; --onnxruntime: #eb6834; --torch: #1baf7a; --OpenVINO: #8a63d2 }
@media (prefers-color-scheme: dark) { :root { --page: #1a1a19; --ink: #fff; --soft: #c3c2b7; --rule: #383835;
  --ours: #3987e5; --onnxruntime: #d95926; --torch: #199e70; --OpenVINO: #9b7ae0 } }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 900px; padding: 24px 16px 64px }
h1 { font-size: 24px; margin: 0 } h2 { font-size: 17px; margin: 40px 0 4px }
p { color: var(--soft); margin: 4px 0 12px; max-width: 70ch }
.scroll { overflow-x: auto } svg { display: block; width: 100%; min-width: 640px; height: auto }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif } svg .name { fill: var(--ink);
  font-size: 12px; paint-order: stroke; stroke: var(--page); stroke-width: 3px }
svg .title { text-anchor: middle } svg .value { font-variant-numeric: tabular-nums }
.box { fill: none; stroke: var(--rule) } .share { fill: var(--ours); opacity: .25 }
.edge { fill: none; stroke: var(--soft) }
.grid { stroke: var(--rule) } .roof { stroke: var(--ink); stroke-width: 2 } .mark { stroke: var(--ink) }
.slope { stroke: var(--soft); stroke-dasharray: 5 4 }
.dot { fill: var(--ours); stroke: var(--page); stroke-width: 2 } .ours { fill: var(--ours) }
.onnxruntime { fill: var(--onnxruntime) } .torch { fill: var(--torch) } .OpenVINO { fill: var(--OpenVINO) }
.f32 { opacity: .5 } .bf16 { opacity: .7 }
.curve { stroke-width: 2 } .many { opacity: .55 }
.series0 { fill: var(--ours) } .series1 { fill: var(--onnxruntime) } .series2 { fill: var(--torch) }
.series3 { fill: var(--OpenVINO) } .series4 { fill: var(--soft) }
.curve.series0 { stroke: var(--ours) } .curve.series1 { stroke: var(--onnxruntime) }
.curve.series2 { stroke: var(--torch) } .curve.series3 { stroke: var(--OpenVINO) }
.curve.series4 { stroke: var(--soft) } path.curve { fill: none }
.key svg { display: inline; width: 12px; min-width: 0; height: 12px; margin: 0 6px 0 0 }
.key span { white-space: nowrap; margin-right: 18px; font-size: 13px; color: var(--soft) }
.means { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 12px;
  margin: 20px 0 0; padding: 0; list-style: none }
.means b { color: var(--ink); display: block; font-size: 26px; font-weight: 600; line-height: 1.2 }
.means li { color: var(--soft); font-size: 13px }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; width: 100% }
th, td { padding: 4px 10px 4px 0; text-align: right; border-bottom: 1px solid var(--rule);
  white-space: nowrap }
th { color: var(--soft); font-weight: 500 } th:first-child, td:first-child, .facts td { text-align: left }
.facts td { white-space: normal }
"""


def page(machine: Mapping[str, Any], results: Sequence[Result]) -> str:
    """A report on layers measured in one run, all with the same elements.

    `machine` is what `lowbit bench --json` says of it.
    """
    first = results[0]
    title = f"{first.activation} x {first.weight} to {first.output}"
    sections = [
        paragraph(f"{machine['cpu']}, one pinned core, {machine['target']}"),
        _means(results),
        *_roofline(machine, results),
        *_over_limit(results),
        *(_against_peers(results) if any(one.peers for one in results) else ()),
        *_all_results(results),
        *machine_section(machine),
    ]
    return document("bench", title, sections)


def document(command: str, title: str, sections: Sequence[str]) -> str:
    """A whole page of sections, of a command."""
    title = escape(f"lowbit {command}: {title}")
    head = [
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        tag("title", title),
        tag("style", STYLE),
    ]
    body = tag("head", *head) + tag("body", tag("h1", title), *sections)
    return "<!DOCTYPE html>\n" + tag("html", body, lang="en") + "\n"


def _means(results: Sequence[Result]) -> str:
    """The geometric means: times the limit, and times as fast as peers."""
    items: list[str] = []
    for name, mean in geometric_means(results).items():
        faster = "peer" in name
        words = f"as fast as the {name}" if faster else f"the {name}"
        items.append(tag("li", tag("b", f"{1 / mean if faster else mean:.2f}x"), escape(words)))
    return tag("ul", *items, class_="means")


def _roofline(machine: Mapping[str, Any], results: Sequence[Result]) -> list[str]:
    kind = results[0].family
    slopes = {name: rate * 1e9 for name, rate in machine["gb_per_s"].items() if "read" in name}
    points = [
        Point(
            one.layer,
            one.work.products[kind] / (one.work.bytes_read + one.work.bytes_written),
            one.work.products[kind] / one.time_us * 1e6,
            f"{one.layer}: {one.work.products[kind] / one.time_us / 1e3:.0f} G/s, "
            f"held by {one.work.level}",
        )
        for one in results
    ]
    said = (
        f"Each dot is a layer: {kind} multiply-adds a second, on taps inside the image, over those for "
        "each byte that must be read or written once. The roof is what this core does at best, measured in "
        "the run."
    )
    chart = roofline(points, machine[f"{kind}_gmacs_per_s"] * 1e9, slopes, kind)
    return section("Roofline", said, chart)


def _over_limit(results: Sequence[Result]) -> list[str]:
    rows = [(one.layer, [_limit_bar(one)]) for one in results]
    said = (
        "Against the larger of arithmetic time, of the fastest family of kernels, and bytes time, at the "
        "rates measured beside the layer."
    )
    return section("Time over limit", said, bars(rows, "limit"))


def _limit_bar(one: Result) -> Bar:
    tip = f"{one.time_us} us over {one.limit_us} us, set by {one.limited_by}"
    return Bar(one.over_limit, f"{one.over_limit:.2f}", "ours", tip)


def _against_peers(results: Sequence[Result]) -> list[str]:
    rows: list[tuple[str, list[Bar]]] = []
    for one in results:
        fastest: dict[str, PeerTime] = {}  # of the engines of one system
        for peer in sorted(one.peers, key=lambda peer: -peer.time_us):
            fastest[_colour(peer)] = peer
        rows.append((one.layer, [_peer_bar(one, fastest[name]) for name in sorted(fastest)]))
    names = sorted({_colour(peer) for one in results for peer in one.peers})
    said = (
        "Time of each peer over ours, single thread, same run; right of 1 ours is faster. int8 is u8 by i8 "
        "with the result requantised to u8; of several int8 engines the faster."
    )
    shown = [row for row in rows if row[1]]
    chart = bars(shown, "ours", log=True)
    colours = key([(name, name.replace(" i8", " int8").replace(" ", ", ")) for name in names])
    return section("Against peers", said, colours + chart + _peer_table(results))


def key(colours: Sequence[tuple[str, str]]) -> str:
    """What each colour of a chart means, by its class."""

    def swatch(colour: str, words: str) -> str:
        square = tag("rect", width=12, height=12, rx=2, class_=colour)
        return tag("span", tag("svg", square, viewBox="0 0 12 12"), escape(words))

    return tag("div", *(swatch(*one) for one in colours), class_="key")


def _peer_bar(one: Result, peer: PeerTime) -> Bar:
    ratio = peer.time_us / one.time_us
    tip = f"{peer.system} {peer.precision}: {peer.time_us} us, ours {one.time_us} us"
    return Bar(ratio, f"{ratio:.2f}", _colour(peer), tip)


def _colour(peer: PeerTime) -> str:
    """The classes of a peer: its system and its precision."""
    return f"{peer.system.split()[0]} {peer.precision}"


def _all_results(results: Sequence[Result]) -> list[str]:
    head = ["layer", "MMAC", "us", "+-", "with packing", "limit us", "over limit", "limited by"]
    head += ["op", "shape", "schedule"]
    rows: list[list[str]] = []
    for one in results:
        numbers = (one.time_us, one.spread_us, one.time_with_packing_us, one.limit_us)
        cells = [f"{one.macs / 1e6:.1f}", *(f"{number:.1f}" for number in numbers)]
        named = [one.limited_by, one.op, one.shape, one.schedule]
        rows.append([one.layer, *cells, f"{one.over_limit:.2f}", *named])
    said = (
        "Medians over allocations and processes in microseconds, and the distance from the least to the "
        "most."
    )
    return section("All results", said, table(head, rows))


def _peer_table(results: Sequence[Result]) -> str:
    names = list(dict.fromkeys((p.system, p.precision) for one in results for p in one.peers))
    rows: list[list[str]] = []
    for one in results:
        times = {(peer.system, peer.precision): f"{peer.time_us:.1f}" for peer in one.peers}
        rows.append([one.layer, f"{one.time_us:.1f}", *(times.get(name, "") for name in names)])
    return table(["us", "ours", *map(" ".join, names)], rows)


def machine_section(machine: Mapping[str, Any]) -> list[str]:
    """Everything that was noted of the machine."""
    rows = [[name.replace("_", " "), _said(value)] for name, value in machine.items()]
    return section("Machine and versions", "", table([], rows, class_="facts"))


def _said(value: Any) -> str:
    match value:
        case Mapping():
            named = cast(Mapping[str, Any], value)
            return ", ".join(f"{name} {one}" for name, one in named.items()) or "none"
        case list():
            return ", ".join(map(str, cast(list[Any], value)))
        case _:
            return str(value)


def section(title: str, said: str, content: str) -> list[str]:
    """A heading, a sentence and what it is about."""
    return [tag("h2", escape(title)), paragraph(said), tag("div", content, class_="scroll")]


def paragraph(words: str) -> str:
    """Words, unless there are none."""
    return tag("p", escape(words)) if words else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], **attributes: object) -> str:
    """Rows of cells below their heads."""
    lines = [tag("tr", *(tag("th", escape(cell)) for cell in head))] if head else []
    lines += [tag("tr", *(tag("td", escape(cell)) for cell in row)) for row in rows]
    return tag("table", *lines, **attributes)
