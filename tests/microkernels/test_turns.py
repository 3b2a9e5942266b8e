"""Words that are taken in turns: rows of taps in a fixed order, on AArch64 and, word by word, on ARMv7."""

from dataclasses import replace

import pytest
from emulated import Emulation
from retired import retired
from schedules import PLAIN, linear_of, pin
from strategies import LinearCase, element, fill, program_for
from xdsl.dialects.builtin import ModuleOp

from lowbit_dialect.layout import Array
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from microkernels.legality import Demand, refusal

PAIRS = Schedule(microkernel="popcount_pairs_16x8", pixels=7, vectors=2, unroll=4, taps="none")
IMAGE = LinearCase(
    "conv2d", "uint1", "odd1", height=5, width=9, channels=64, outputs=24, kernel=(3, 3), seed=1
)
PADDED = replace(IMAGE, padding=(1, 1, 1, 1))
CASES = (
    PADDED,
    replace(PADDED, channels=80, strides=(2, 2), activation="uint2"),
    replace(PADDED, channels=48, weight="int2"),
    replace(PADDED, channels=16, kernel=(1, 5), padding=(0, 2, 0, 2), dilations=(1, 2)),
    replace(PADDED, channels=32, outputs=32, groups=2, activation="uint1", weight="uint1"),
    replace(PADDED, channels=96, outputs=16, groups=2),
    replace(PADDED, channels=64, outputs=16, groups=2),
    replace(IMAGE, width=24, channels=64, kernel=(2, 13)),
    replace(PADDED, width=24, kernel=(1, 17), padding=(0, 8, 0, 1)),
    replace(IMAGE, kernel=(1, 1), channels=176, batch=2),
    LinearCase("dense", "odd1", "odd1", height=9, channels=1025, outputs=40, seed=3),
)


def data_of(case: LinearCase, kinds: tuple[str, str]) -> list[Array]:
    shapes = (case.input_shape, case.activation), (case.weight_shape, case.weight)
    return [fill(kind, shape, element(code), 7) for kind, (shape, code) in zip(kinds, shapes)]


def pinned(case: LinearCase, schedule: Schedule) -> ModuleOp:
    module = program_for(case)
    pin(module, schedule)
    return module


@pytest.mark.emulated
@pytest.mark.parametrize("tier", ["rpi3", "rpi3-armv7"])
def test_every_row_of_taps_is_summed(tier: str):
    """Words that are a group or not, taps outside the image, sums that 16 bits do not hold."""
    emulation = Emulation(tier)
    for number, case in enumerate(CASES):
        schedule = replace(
            PAIRS,
            unroll=(4, 8, 3)[number % 3],
            vectors=1 + number % (2 if tier == "rpi3" else 4),
            pixels=7 if tier == "rpi3" else 1 + number % 5,
            borders=("peeled", "looped")[number // 2 % 2],
        )
        emulation.add(pinned(case, schedule), [data_of(case, ("random", "random"))])
    for activation, depth in (("uint1", 65552), ("uint4", 4368)):
        deep = LinearCase("dense", activation, "odd1", channels=depth)
        emulation.add(pinned(deep, PAIRS), [data_of(deep, ("max", "min"))])
    emulation.run()


@pytest.mark.emulated
@pytest.mark.parametrize(("channels", "weight"), [(64, "uint1"), (128, "odd1")])
def test_blocks_of_products_do_not_spill(channels: int, weight: str):
    """Three instructions for 8 outputs of 16 channels, and 2 loads and addresses for 21."""
    case = replace(
        PADDED, height=4, width=21, channels=channels, outputs=32, activation="uint1", weight=weight
    )
    counted = retired(
        pinned(case, replace(PAIRS, borders="peeled")), "rpi3", data_of(case, ("random", "random"))
    )
    blocks = [block for block in counted.hot if block.core]
    assert blocks and not any(block.spills for block in blocks)
    for block in blocks:
        counts = {
            name: sum(line.startswith(name) for line in block.lines) for name in ("cnt", "uadalp")
        }
        assert counts["cnt"] == counts["uadalp"]
        assert len(block.lines) < 1.11 * 3 * counts["cnt"]


@pytest.mark.emulated
@pytest.mark.parametrize(("pixels", "vectors", "most"), [(2, 4, 1.29), (4, 2, 1.31)])
def test_words_of_few_registers_do_not_spill(pixels: int, vectors: int, most: float):
    """Three instructions for 8 outputs of 16 channels, and 4.5 or 6 loads and broadcasts for 8 of them."""
    case = replace(PADDED, height=4, width=18, outputs=32, activation="uint1", weight="uint1")
    schedule = replace(PAIRS, pixels=pixels, vectors=vectors, borders="peeled")
    data = data_of(case, ("random", "random"))
    blocks = [one for one in retired(pinned(case, schedule), "rpi3-armv7", data).hot if one.core]
    assert blocks and not any(block.spills for block in blocks)
    products = max(blocks, key=lambda block: block.retired)
    assert len(products.lines) < most * 3 * sum("vcnt" in line for line in products.lines)


def test_pairs_of_planes_are_not_innermost():
    op = linear_of(program_for(replace(PADDED, activation="uint2")))
    schedule = replace(
        PAIRS,
        algorithm="direct",
        loops=PLAIN,
        planes="inner",
        prefetch=0,
        borders="peeled",
        tables="whole",
        parallel="none",
    )
    assert "takes words in turns" in str(refusal(Demand.of(op), schedule, resolve_target("rpi3")))
