"""Where one family of kernels overtakes another: every family, over bits, for several shapes, as a picture.

    python examples/crossovers/measure.py crossovers.svg     minutes; `--layers C9 --pairs uint1,odd1` fewer

A family is the fastest of its kernels, each in the schedule that the model chooses for it, and has its
activations as it reads them. All are compared with the reference, and timed beside f32 in one process.
"""

import argparse
from pathlib import Path

from lowbit.bench.benchmark import Question, measure
from lowbit.bench.charts import Axis, line, tag, text
from lowbit.bench.suites import SUITES, Layer
from lowbit.bench.timing import Timer
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import host_target
from microkernels.table import TABLE, kernels

LAYERS = {layer.name: layer for suite in SUITES.values() for layer in suite}
SHOWN = "C2", "C9", "C12", "C11", "D1024b1", "D1024b64"
PAIRS = "uint1,odd1", "uint2,odd1", "uint2,int2", "uint3,int3", "uint4,int4", "uint8,int8"
WIDTH, HEIGHT, COLUMNS = 290, 210, 3
LEAST = 0.25
"""Times faster, below which nothing is drawn."""
COLOURS = {"popcounts": "#1f77b4", "look-ups": "#d62728", "products of integers": "#2ca02c"}
"""By what is drawn as one."""
DRAWN = {"lookup": "look-ups", "dot": "products of integers", "multiply": "products of integers"}
"""Other families count bits."""

Times = dict[str, float]
"""Times faster than f32 by what is drawn as one."""


def faster(layer: Layer, pair: str, timer: Timer) -> Times:
    """Times faster than f32 of each family that can multiply a pair of elements."""
    f32, found = measure(layer, Question("f32", "f32"), timer).time_us, Times()
    activation, weight = pair.split(",")
    for family in dict.fromkeys(entry.family for entry in TABLE):
        for kernel in kernels(host_target(), family):
            pinned = Schedule(microkernel=kernel.name)
            try:
                result = measure(layer, Question(activation, weight, schedule=pinned), timer)
            except ValueError:  # no kernel for this pair, or for this op
                continue
            drawn = DRAWN.get(family, "popcounts")
            found[drawn] = max(found.get(drawn, 0.0), f32 / result.time_us)
    return found


def panel(layer: Layer, by_pair: dict[str, Times], most: float) -> list[str]:
    """Times faster than f32 over pairs, a line a family, up to the `most`."""
    y = Axis(LEAST, most * 1.2, HEIGHT - 30, 34)
    across = {pair: 46 + 44 * index for index, pair in enumerate(by_pair)}
    parts = [text(described(layer), 40, 20, "name")]
    for tick in y.ticks():
        class_ = "one" if tick == 1 else "grid"
        parts.append(line(40, y.at(tick), WIDTH - 20, y.at(tick), class_))
        parts.append(text(f"{tick:g}", 34, y.at(tick) + 4, text_anchor="end"))
    for pair, x in across.items():
        bits = "x".join(name.strip("uintod") for name in pair.split(","))
        parts.append(text(bits, x, HEIGHT - 14, text_anchor="middle"))
    for family, colour in COLOURS.items():
        points = [
            (across[pair], y.at(times[family]))
            for pair, times in by_pair.items()
            if times.get(family, 0.0) >= LEAST
        ]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(tag("polyline", points=path, stroke=colour, fill="none", stroke_width=2))
        parts += [tag("circle", cx=float(px), cy=py, r=3, fill=colour) for px, py in points]
    return parts


def described(layer: Layer) -> str:
    """A shape in few words."""
    (*_, inputs), (*window, _, outputs) = layer.input_shape, layer.weight_shape
    if not window:
        return f"dense {inputs} to {outputs}, batch {layer.input_shape[0]}"
    return f"{'x'.join(map(str, window))}, {inputs} to {outputs}, {layer.input_shape[1]} wide"


def picture(panels: list[list[str]]) -> str:
    """Panels in rows, with what the colours mean above them."""
    width, top = WIDTH * min(COLUMNS, len(panels)), 30
    height = top + HEIGHT * -(-len(panels) // COLUMNS)
    style = (
        "text{font:11px sans-serif;fill:#333}.name{font-weight:bold}"
        ".grid{stroke:#ddd}.one{stroke:#333;stroke-dasharray:4 3}"
    )
    parts = [tag("style", style), tag("rect", width=width, height=height, fill="#fff")]
    parts.append(text("times faster than our f32, over bits of activations x weights", 10, 18))
    for index, (family, colour) in enumerate(COLOURS.items()):
        parts.append(text(family, 420 + 100 * index, 18, "name", style=f"fill:{colour}"))
    for index, one in enumerate(panels):
        row, column = divmod(index, COLUMNS)
        move = f"translate({column * WIDTH} {top + row * HEIGHT})"
        parts.append(tag("g", *one, transform=move))
    space = "http://www.w3.org/2000/svg"
    return tag("svg", *parts, xmlns=space, viewBox=f"0 0 {width} {height}", width=width)


def main() -> None:
    """Measure, print a line a cell, draw."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("picture", type=Path)
    asked.add_argument("--layers", nargs="+", choices=LAYERS, default=SHOWN)
    asked.add_argument("--pairs", nargs="+", default=PAIRS)
    options = asked.parse_args()
    found: dict[Layer, dict[str, Times]] = {}
    with Timer(host_target(), processes=0) as timer:
        for layer in (LAYERS[name] for name in options.layers):
            found[layer] = {}
            for pair in options.pairs:
                times = found[layer][pair] = faster(layer, pair, timer)
                told = ", ".join(f"{name} {one:.2f}" for name, one in times.items())
                print(f"{described(layer)}, {pair}: times faster than f32: {told}", flush=True)
    most = max(
        one for pairs in found.values() for times in pairs.values() for one in times.values()
    )
    panels = [panel(layer, pairs, most) for layer, pairs in found.items()]
    options.picture.write_text(picture(panels), encoding="utf-8")


if __name__ == "__main__":
    main()
