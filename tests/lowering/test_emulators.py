"""What the emulators must catch is caught: accesses beside the arguments of a call."""

from itertools import pairwise

import pytest
import qemu_machine
from emulated import GUARDED, WITH_QEMU, machine_for
from emulator import Machine
from qemu_machine import QemuMachine
from unicorn_machine import UnicornMachine

from lowering.backend.host import resolve_target
from lowering.backend.machine import generate_object
from lowering.emulation.memory import Code

pytestmark = pytest.mark.emulated


def copying(tier: str) -> tuple[Machine | UnicornMachine | QemuMachine, Code]:
    """A machine with a function that copies 32 bytes."""
    ir = f"""
        target triple = "{resolve_target(tier).triple}"
        define void @copy(ptr %from, ptr %to) {{
          %vector = load <8 x i32>, ptr %from, align 4
          store <8 x i32> %vector, ptr %to, align 4
          ret void
        }}"""
    machine = machine_for(tier)
    return machine, machine.load(generate_object(ir, resolve_target(tier)))


@WITH_QEMU
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_guards_of_qemu(side: str):
    """It ends with the first call that touches a page which is not there, and tells which that is."""
    machine, code = copying("rv64gcv")
    buffers = [
        machine.buffer(bytes(n), alignment=4, side=side, writable=True) for n in (32, 32, 28)
    ]
    calls = [machine.call(code, "copy", *pair) for pair in pairwise(buffers)]
    calls.append(machine.call(code, "copy", *buffers[:2]))
    machine.run()
    faults = [call.fault for call in calls]
    if side == "right":
        assert faults == ["", "signal 11", "not reached"]
    else:
        assert not faults[0] and not faults[2] and buffers[2].overrun


@pytest.mark.skipif(qemu_machine.plugin() is None, reason="QEMU tells no accesses")
def test_every_byte_on_qemu():
    """Room beside an argument in its own page is not touched, nor are arguments of another call."""
    machine, code = copying("rv64gcv")
    whole, short, out, small = (
        machine.buffer(bytes(size), writable=True, side=side)
        for size, side in ((32, "left"), (28, "left"), (32, "right"), (28, "right"))
    )
    calls = [machine.call(code, "copy", *p) for p in ((short, out), (whole, small), (whole, out))]
    machine.run()
    assert "reads 4 bytes from byte 28 of argument 0, 28 bytes" in calls[0].fault
    assert "writes 4 bytes from byte 28 of argument 1, 28 bytes" in calls[1].fault
    assert not calls[2].fault


@pytest.mark.parametrize("tier", GUARDED)
def test_the_guards(tier: str):
    """What the emulator must catch is caught, and a call that is well comes to its end after it."""
    machine, code = copying(tier)
    whole, short = (machine.buffer(bytes(size), alignment=4) for size in (32, 28))
    outs = [machine.buffer(b"x" * 32, writable=True) for _ in range(2)]
    small = machine.buffer(bytes(28), writable=True, side="left")
    pairs = (short, outs[0]), (whole, short), (whole, small), (whole, outs[1])
    calls = [machine.call(code, "copy", *pair) for pair in pairs]
    machine.run()
    assert "reads byte 28 of argument 0, 28 bytes" in calls[0].fault
    assert "of argument 1, 28 bytes" in calls[1].fault
    assert small.overrun or "writes byte 28 of argument 1" in calls[2].fault
    assert not calls[3].fault and outs[1].held == bytes(32) and outs[0].held == b"x" * 32
