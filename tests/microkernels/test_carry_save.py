"""What the adders cost on the cores that they are for."""

import pytest
from emulated import Emulation
from schedules import pin
from strategies import LinearCase, fill, program_for
from xdsl.dialects.builtin import ModuleOp

from lowbit_dialect.codes import parse_code
from lowbit_dialect.schedule import Schedule

pytestmark = pytest.mark.emulated
OUTPUTS = 64


def retired(target: str, words: int) -> int:
    """Instructions of one turn of the loop of sums of so many words, which takes 32 of them."""
    case = LinearCase("dense", "uint1", "odd1", height=1, channels=32 * words, outputs=OUTPUTS)
    module: ModuleOp = program_for(case)
    block = "microkernel = popcount_carry_save_32x1, pixels = 1, vectors = 1, unroll = 32"
    pin(module, Schedule.parse(block))
    kinds = (case.input_shape, "uint1"), (case.weight_shape, "odd1")
    data = [fill("random", shape, parse_code(code), 0) for shape, code in kinds]
    emulation = Emulation(target)
    emulation._machine.watched = False  # but counted
    emulation.add(module, [data])
    emulation.run()
    call = emulation._machine.calls[-1]
    # The emulator cuts the loop in blocks, and its first turn may enter one elsewhere.
    turns = [OUTPUTS * (words // 32 - first) for first in (0, 1)]
    return sum(call.retired(*block) for block, n in call.blocks.items() if n in turns)


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m7"])
def test_a_long_sum(target: str):
    """15 adders and a count for 16 words are 7.2 instructions a word, with loop and spills 7.8."""
    assert 32 * 7.2 <= retired(target, 288) <= 32 * 8.0


@pytest.mark.parametrize("pair", [("uint1", "odd1"), ("uint2", "odd1"), ("odd3", "int3")])
def test_sums_of_so_many_words(pair: tuple[str, str]):
    """Every number of words up to two groups, ones alone and random ones: with a word apart and without."""
    emulation = Emulation("cortex-m7")
    for words in range(1, 34):
        case = LinearCase("dense", *pair, height=1, channels=32 * words, outputs=3)
        kinds = (case.input_shape, pair[0]), (case.weight_shape, pair[1])
        data = [
            [fill(kind, shape, parse_code(code), words) for shape, code in kinds]
            for kind in ("max", "random")
        ]
        emulation.add(program_for(case), data)
    emulation.run()


@pytest.mark.parametrize("planes", ["outer", "inner", "looped"])
def test_outputs_one_by_one(planes: str):
    """Pixels and vectors of a block, each from where its own operands begin, for every order of planes."""
    emulation, case = (
        Emulation("cortex-m7"),
        LinearCase("dense", "int2", "odd2", height=7, channels=96),
    )
    kinds = (case.input_shape, "int2"), (case.weight_shape, "odd2")
    for words in (1, 2, 8):
        module = program_for(case)
        block = f"microkernel = popcount_carry_save_32x1, pixels = 3, vectors = 2, unroll = {words}"
        pin(module, Schedule.parse(f"{block}, planes = {planes}"))
        emulation.add(
            module, [[fill("random", shape, parse_code(code), words) for shape, code in kinds]]
        )
    emulation.run()


@pytest.mark.parametrize(("pixels", "vectors"), [(5, 1), (1, 3), (5, 3)])
def test_words_that_outputs_have_in_common(pixels: int, vectors: int):
    """Few of them stay in registers, and results lie farther from the first than a store reaches."""
    emulation = Emulation("cortex-m7")
    for channels in (32, 64, 96):
        case = LinearCase("dense", "odd1", "odd1", height=7, channels=channels, outputs=600)
        module = program_for(case)
        block = f"popcount_carry_save_32x1, pixels = {pixels}, vectors = {vectors}"
        pin(module, Schedule.parse(f"microkernel = {block}"))
        shapes = case.input_shape, case.weight_shape
        data = [fill("random", shape, parse_code("odd1"), channels) for shape in shapes]
        emulation.add(module, [data])
    emulation.run()
