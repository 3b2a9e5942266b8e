"""The probes count right, and consist of the instructions they are named after."""

from collections import Counter

import capstone
import pytest

from lowering.backend.elf import symbols
from lowering.backend.host import missing_on_host
from lowering.backend.machine import BackendError, generate_object
from lowering.backend.probe import A, B, popcount_ir, popcount_probe
from microkernels.target import TARGETS, Target
from tests.support.tiers import X86

LEVELS = {
    "x86-64": {"imul": 8},
    "x86-64-v2": {"popcnt": 32, "add": 35},
    "x86-64-v3": {"vpshufb": 12, "vpand": 12, "vpaddb": 12, "vpsadbw": 6},
    "x86-64-v4": {"vpshufb": 12, "vpandq": 12, "vpaddb": 12, "vpsadbw": 6},
    "x86-64-v4-vpopcntdq": {"vpopcntq": 8, "vpandq": 8},
}


@pytest.mark.parametrize("name", X86)
@pytest.mark.parametrize("rounds", [1, 2, 1000])
def test_a_probe_counts_the_bits_it_says(name: str, rounds: int):
    target = TARGETS[name]
    if missing_on_host(target):
        with pytest.raises(BackendError, match="cannot run the code"):
            popcount_probe(target)
        return
    probe = popcount_probe(target)
    assert probe.run(rounds) == rounds * probe.macs // 64 * (A & B).bit_count()


@pytest.mark.parametrize("name", X86)
def test_a_probe_is_made_of_its_tiers_instructions(name: str):
    target = TARGETS[name]
    image = generate_object(popcount_ir(target)[0], target)
    (code,) = (s for s in symbols(image) if s.name == "probe")
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    instructions = list(engine.disasm(image[code.offset :][: code.size], 0))
    counts = Counter(i.mnemonic for i in instructions)
    assert {name: counts[name] for name in LEVELS[name]} == LEVELS[name]
    wide = [i for i in instructions if "zmm" in i.op_str]
    assert bool(wide) == (target.vector_bits == 512)


def test_a_narrower_register_may_be_asked_for():
    ir, macs = popcount_ir(Target.parse("x86-64-v4,vector_bits=256"))
    assert "ymm" in ir and "zmm" not in ir
    assert macs == 31 * 6 * 256


def test_other_processors_are_not_probed():
    """There LLVM would be given assembly of x86."""
    with pytest.raises(BackendError, match="measured on x86_64, not on aarch64"):
        popcount_probe(TARGETS["rpi3"])
