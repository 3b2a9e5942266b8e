"""What the adders cost on the cores that they are for."""

import pytest
from emulated import Emulation
from strategies import LinearCase, fill, program_for
from xdsl.dialects.builtin import ModuleOp

from lowbit_dialect.codes import parse_code

pytestmark = pytest.mark.emulated
OUTPUTS = 64


def retired(target: str, words: int) -> int:
    """Instructions of one row of so many words that run once for 32 words of an output."""
    case = LinearCase("dense", "uint1", "odd1", height=1, channels=32 * words, outputs=OUTPUTS)
    module: ModuleOp = program_for(case)
    kinds = (case.input_shape, "uint1"), (case.weight_shape, "odd1")
    data = [fill("random", shape, parse_code(code), 0) for shape, code in kinds]
    emulation = Emulation(target)
    emulation._machine.watched = False  # but counted
    emulation.add(module, [data])
    emulation.run()
    call = emulation._machine.calls[-1]
    often = {block: n for block, n in call.blocks.items() if n >= OUTPUTS * (words // 32)}
    return sum(call.retired(*block) * n for block, n in often.items())


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m7"])
def test_a_long_sum(target: str):
    """15 adders and a count for 16 words are 7.2 instructions a word, with loop and spills 8.1 to 8.3."""
    assert retired(target, 288) / (288 * OUTPUTS) <= 8.4
