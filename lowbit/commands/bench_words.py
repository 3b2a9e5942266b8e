"""What `lowbit bench` says to a person: the machine, times over limits, peers, geometric means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lowbit.bench import peers
from lowbit.bench.benchmark import Result, geometric_means
from lowbit.bench.profile import Profile


def heading(machine: dict[str, Any]) -> list[str]:
    """The machine, how many of its cores are used, and its rates."""
    rates = [f"{machine[f'{kind}_gmacs_per_s']} {kind}" for kind in ("binary", "i8", "i16", "f32")]
    bandwidth = [f"{name} {rate:.0f}" for name, rate in machine["gb_per_s"].items()]
    cores = "one core"
    if "hand_over_us" in machine:
        cores = f"several cores, hand-over {machine['hand_over_us']} us"
    return [
        f"{machine['cpu']}, {cores}, {machine['target']}",
        f"GMAC/s: {', '.join(rates)}; GB/s: {', '.join(bandwidth)}",
    ]


def layers_head() -> str:
    """What stands above the lines of layers."""
    return (
        f"{'layer':10}{'MMAC':>9}{'us':>10}{'+-':>8}{'packing us':>12}{'limit us':>10}{'/limit':>8}"
        "  limited by"
    )


def layer_line(one: Result) -> str:
    """A layer in one line."""
    return (
        f"{one.layer:10}{one.macs / 1e6:9.1f}{one.time_us:10.1f}{one.spread_us:8.1f}"
        f"{one.time_with_packing_us:12.1f}{one.limit_us:10.1f}{one.over_limit:8.2f}"
        f"  {one.limited_by}"
    )


def summary(results: Sequence[Result]) -> list[str]:
    """Peers, and geometric means of several layers."""
    lines = peers_in_words(results)
    if len(results) > 1:
        lines.append("geometric means of time")
        lines += [f"  over {name}: {mean:.3g}" for name, mean in geometric_means(results).items()]
    return lines


def peers_in_words(results: Sequence[Result]) -> list[str]:
    """The fastest peer of each precision, its time, and ours over it."""
    measured = {peer.precision for one in results for peer in one.peers}
    names = [precision for precision in peers.PRECISIONS if precision in measured]
    if not names:
        return []
    heads = [f"{f'fastest {name}':>16}{'us':>10}{'ours /':>9}" for name in names]
    lines = [f"{'layer':10}{'us':>10}{''.join(heads)}"]
    for one in results:
        fastest = map(one.fastest_peer, names)
        cells = [
            f"{peer.system:>16}{peer.time_us:10.1f}{one.time_us / peer.time_us:9.3f}"
            if peer is not None
            else f"{'':35}"
            for peer in fastest
        ]
        lines.append(f"{one.layer:10}{one.time_us:10.1f}{''.join(cells)}".rstrip())
    return lines


def profile_lines(profile: Profile) -> list[str]:
    """A program by layers, in the order in which they run, then their sum and the whole."""
    width = max(len("layer"), *(len(row.part.layer) for row in profile.rows)) + 2
    lines = [
        f"{'layer':{width}}{'us':>10}{'+-':>8}{'share':>7}{'limit us':>10}{'/limit':>8}  "
        f"{'limited by':14}{'KB':>8}  {'kernel':20}what"
    ]
    for row in profile.rows:
        part = row.part
        kilobytes = (part.work.bytes_read + part.work.bytes_written) / 1e3
        lines.append(
            f"{part.layer:{width}}{row.time_us:10.2f}{row.spread_us:8.2f}{row.share:7.1%}"
            f"{row.limit_us:10.2f}{row.over_limit:8.2f}  {row.limited_by:14}{kilobytes:8.1f}  "
            f"{part.kernel or '-':20}{part.op} {part.shape} {' | '.join(part.layouts)}"
        )
    total = sum(row.time_us for row in profile.rows)
    over = total / profile.limit_us
    lines.append(f"{'sum':{width}}{total:10.2f}{'':15}{profile.limit_us:10.2f}{over:8.2f}")
    lines.append(f"{'whole':{width}}{profile.time_us:10.2f}{profile.spread_us:8.2f}")
    for one in profile.peers:
        times = f"{one.time_us / profile.time_us:.2f} times ours"
        lines.append(f"{one.system} {one.precision}: {one.time_us:.1f} us, {times}")
    return lines
