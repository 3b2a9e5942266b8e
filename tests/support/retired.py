"""Count the instructions that programs retire on ARM, beside those known.

    PYTHONPATH=.:tests python tests/support/retired.py

counts the cases of `tests/lowering/retired.json` anew and writes them there. Whole layers, over their bound
and with modelled cycles, are what `lowbit bench --suite resnet18 --target rpi3 --model` prints.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from executed import Array, named
from schedules import pin
from strategies import element, fill
from xdsl.dialects.builtin import ModuleOp

from lowbit.bench.counting import Retired, count
from lowbit.bench.suites import ConvLayer, DenseLayer, program_of
from lowbit.code_generation import generate
from lowbit.program import Program
from lowbit_dialect.differences import first_difference
from lowbit_dialect.reference import run
from lowbit_dialect.schedule import Schedule

RECORD = Path(__file__).parents[1] / "lowering" / "retired.json"
"""Instructions by target and case, by the default schedules."""


def retired(module: ModuleOp, tier: str, data: Sequence[Array]) -> Retired:
    """Run `@main` of a program whole, compare its results with the reference, and count."""
    program = Program(named(module))
    counted, results = count(
        generate(program, tier), dict(zip(program.argument_names, data, strict=True))
    )
    for got, want in zip(results, run(module, *data), strict=True):
        difference = first_difference(got, want)
        assert difference is None, f"on {tier}: {difference}"
    return counted


def recorded(target: str, case: str) -> Retired:
    """Count a case of `RECORD`: seven or three numbers of a layer, two elements, fields of a schedule."""
    size, pair, pinned = re.fullmatch(r"([\d ]+) (\S+/\S+)(.*)", case).groups()  # pyright: ignore
    layer = ConvLayer.parse(size) if size.count(" ") == 6 else DenseLayer.parse(size)
    codes = pair.split("/")
    module = program_of(layer, *codes, ["w"]).module.clone()
    pin(module, Schedule.parse(pinned) if pinned else None)
    shapes = zip((layer.input_shape, layer.weight_shape), codes)
    return retired(
        module, target, [fill("random", shape, element(code), 1) for shape, code in shapes]
    )


def _record() -> None:
    known: dict[str, dict[str, int]] = json.loads(RECORD.read_text())
    found = {
        target: {case: recorded(target, case).instructions for case in cases}
        for target, cases in known.items()
    }
    RECORD.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    _record()
