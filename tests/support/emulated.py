"""Programs for targets that few machines can run, many of them in one boot of an emulator.

Where the machine can run them itself it does, as `executed.check` runs those of its own tiers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import bochs
import pytest
import qemu_machine
from emulator import Machine
from executed import Array, Lowered, compare, execute, expected, inputs_of, lower, named
from guarded import SIDES
from qemu_machine import QemuMachine
from unicorn_machine import UnicornMachine
from xdsl.dialects.builtin import ModuleOp

from lowering.backend.emit import emit_object
from lowering.backend.host import missing_on_host, resolve_target
from lowering.emulation.memory import FILL, Buffer, Call, Code
from lowering.emulation.unicorn_processors import processor_of

PROCESSORS = {
    "x86-64-v4": "corei7_skylake_x",
    # GF2P8AFFINEQB of Bochs 2.7 gives the complement of what it should.
    "x86-64-v4-vpopcntdq,-gfni": "corei7_icelake_u",
}
"""For each target a model that has what the target has; the first has no VPOPCNTDQ."""

WITH_QEMU = pytest.mark.skipif(bool(qemu_machine.missing()), reason=qemu_machine.missing())
WITH_BOCHS = pytest.mark.skipif(bool(bochs.missing()), reason=bochs.missing())
MARKS = {**dict.fromkeys(PROCESSORS, WITH_BOCHS), "rv64gcv": WITH_QEMU}
NAMES = (*PROCESSORS, "rpi5", "rpi3-armv7", "cortex-m7", "rv64gcv")
TIERS = tuple(pytest.param(tier, marks=MARKS.get(tier, ())) for tier in NAMES)
GUARDED = (*TIERS[:-1], "rpi3", "cortex-m4")
ALL_TIERS = (*GUARDED, TIERS[-1])
"""With those that differ from another in a few kernels alone."""

MISREAD = re.compile(rb"\x62[%b].[\x00\x08]\x20[\x40-\x7f]" % bytes(range(3, 256, 16)), re.DOTALL)
"""VPINSRB from memory with EVEX and a displacement of one byte, which Bochs 2.7 multiplies by 4."""

NARROW = ",vector_bits=256"
"""What makes of such a target one that counts in half the registers."""


def machine_for(tier: str) -> Machine | UnicornMachine | QemuMachine:
    """The emulator of a target."""
    if tier.startswith("rv64"):
        return QemuMachine()
    if tier.startswith("x86"):
        return Machine(PROCESSORS[tier.removesuffix(NARROW)])
    return UnicornMachine(processor_of(resolve_target(tier)))


@dataclass
class _Run:
    """The calls of one program on one set of data, and what they should leave."""

    lowered: Lowered
    want: list[list[Array]]
    tolerance: Array | None
    where: str
    calls: list[Call] = field(default_factory=list)
    results: list[list[Buffer]] = field(default_factory=list)

    def check(self) -> None:
        for call, outs in zip(self.calls, self.results):
            assert not call.fault, f"{call.fault}, {self.where}"
            assert not any(out.overrun for out in outs), (
                f"{call.symbol} writes outside, {self.where}"
            )
        got = [[out.held for out in outs] for outs in self.results]
        compare(got, self.want, self.lowered.types, self.tolerance, self.where)


class Emulation:
    """Programs to run on one target: `add` them, then `run`."""

    def __init__(self, tier: str) -> None:
        self.tier = tier
        self._native = not missing_on_host(resolve_target(tier))
        self._machine = machine_for(tier)
        self._runs: list[_Run] = []

    def add(
        self,
        module: ModuleOp,
        data: Sequence[Sequence[Array]],
        *,
        fuse: bool = False,
        tolerance: Sequence[Array] | None = None,
    ) -> Lowered:
        """Compile a program and call it on each set of arguments, flush against either guard in turn.

        A program with an instruction that the emulator misreads is compiled only.
        """
        module = named(module)
        lowered = lower(module, self.tier, fuse=fuse, verify_each=False)
        if self._native:
            execute(lowered, module, data, self.tier, tolerance)
            return lowered
        image = emit_object(lowered.code, resolve_target(self.tier))
        if MISREAD.search(image):
            return lowered
        code = self._machine.load(image)
        for number, arguments in enumerate(data):
            side = SIDES[number % len(SIDES)]
            run = _Run(
                lowered,
                expected(lowered, module, arguments),
                tolerance[number] if tolerance else None,
                f"program {len(self._machine.codes) - 1} on {self.tier}, data set {number}, {side}-flush",
            )
            self._call(run, code, inputs_of(lowered, module, arguments), side)
            self._runs.append(run)
        return lowered

    def run(self) -> None:
        """Run everything; raise AssertionError telling of each program that fails."""
        if not self._native:
            self._machine.run()
        failures: list[str] = []
        for run in self._runs:
            try:
                run.check()
            except AssertionError as error:
                failures.append(f"{error}\n{run.lowered.packed}")
        # One program in full, of the others what went wrong.
        told = (
            [failures[0], *(text.partition("\n")[0] for text in failures[1:])] if failures else []
        )
        assert not told, f"{len(told)} of {len(self._runs)} runs fail:\n" + "\n".join(told)

    def _call(self, run: _Run, code: Code, inputs: list[list[bytes]], side: str) -> None:
        """Call each function, the results of the first as packed arguments of the second."""
        for function, held in zip(run.lowered.functions, inputs):
            plain, buffers, outs = iter(held), list[Buffer](), list[Buffer]()
            for argument in function.arguments:
                if argument.role == "packed":
                    buffers.append(run.results[0][argument.index])
                    continue
                given = argument.role == "in"
                buffer = self._machine.buffer(
                    next(plain) if given else FILL * argument.size,
                    writable=not given,
                    alignment=argument.alignment,
                    side=side,
                )
                buffers.append(buffer)
                if argument.role == "out":
                    outs.append(buffer)
            run.calls.append(self._machine.call(code, function.symbol, *buffers))
            run.results.append(outs)
