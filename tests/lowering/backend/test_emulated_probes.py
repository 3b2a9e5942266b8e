"""The probes for AVX-512, executed by an emulator: they sum what they say, and read no byte beside."""

import numpy as np
import pytest
from bochs import missing
from emulated import PROCESSORS
from emulator import Machine
from products import of_a_product

from lowering.backend.machine import generate_object
from lowering.backend.memory_probe import STEP, memory_ir
from lowering.backend.probe import A, B, popcount_ir
from lowering.backend.product_probe import KINDS, product_ir
from lowering.emulation.memory import Buffer, Call
from microkernels.target import Target

ROUNDS = 3
pytestmark = [pytest.mark.emulated, pytest.mark.skipif(bool(missing()), reason=missing())]


class Probes:
    """Probes of one target, run in one boot; each leaves its result in a buffer of its own."""

    def __init__(self, tier: str) -> None:
        self.target, self.machine = Target.parse(tier), Machine(PROCESSORS[tier])
        self.runs: list[tuple[Call, Buffer]] = []

    def add(self, ir: str, *buffers: Buffer) -> None:
        """Call a probe on a buffer, or on none; `@run` takes pointers, as the emulator gives them."""
        given = f", i64 %x, i64 {len(buffers[0].held)}" if buffers else ""
        text = f"""{ir}
define void @run(ptr %out, ptr %buffer) {{
  %x = ptrtoint ptr %buffer to i64
  %total = call i64 @probe(i64 {ROUNDS}{given})
  store i64 %total, ptr %out
  ret void
}}"""
        out = self.machine.buffer(bytes(8), writable=True)
        code = self.machine.load(generate_object(text, self.target))
        self.runs.append((self.machine.call(code, "run", out, *buffers), out))

    def run(self) -> list[int]:
        self.machine.run()
        assert not [call.fault for call, _ in self.runs if call.fault]
        assert not any(out.overrun for _, out in self.runs)
        return [int.from_bytes(out.held, "little") for _, out in self.runs]


@pytest.mark.parametrize("tier", PROCESSORS)
def test_probes_for_avx512(tier: str):
    probes = Probes(tier)
    ir, macs = popcount_ir(probes.target)
    probes.add(ir)
    want = [ROUNDS * macs // 64 * (A & B).bit_count()]
    for kind in KINDS:
        ir, macs = product_ir(probes.target, kind)
        probes.add(ir)
        want.append(int(ROUNDS * macs * of_a_product(kind, kind == "i8")) % 2**32)
    words = np.random.default_rng(0).integers(0, 2**64, 3 * STEP // 8, np.uint64)
    read = probes.machine.buffer(words.tobytes())
    written = probes.machine.buffer(bytes(3 * STEP), writable=True)
    probes.add(memory_ir(probes.target, "read"), read)
    probes.add(memory_ir(probes.target, "write"), written)
    want += [ROUNDS * int(words.sum()) % 2**64, 0]
    assert probes.run() == want
    assert written.held == b"\xff" * 3 * STEP and not written.overrun
