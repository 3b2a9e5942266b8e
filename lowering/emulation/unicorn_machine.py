"""Call functions for ARM in this process, on Unicorn, and count what they execute."""

from __future__ import annotations

import struct
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from typing import Any

from lowering.emulation.extra import extra_model
from lowering.emulation.memory import PAGE, Buffer, Buffers, Call, Code
from lowering.emulation.unicorn_link import link
from lowering.emulation.unicorn_processors import Processor

CODE, BUFFERS, STACK, RETURN = 1 << 22, 1 << 28, 1 << 24, 1 << 20
"""Addresses of the first object, of the first buffer, below which the stack ends, and to return to."""
STACK_BYTES = 1 << 20


@dataclass(eq=False)
class Trace(Call):
    """One call, and the blocks of instructions that it executed."""

    processor: Processor = field(kw_only=True)
    blocks: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    """How often each block ran, by address and bytes; they may overlap, as they begin and end anywhere."""

    @property
    def instructions(self) -> int:
        """Instructions executed, all of them."""
        return sum(self.retired(*block) * times for block, times in self.blocks.items())

    def retired(self, address: int, size: int) -> int:
        """Instructions of a block."""
        return self.processor.instructions(self._bytes(address, address + size))

    def listed(self) -> list[tuple[str, tuple[str, ...], int]]:
        """Blocks that do not overlap, as long as can be: function, instructions as text, and how often."""
        begins = sorted((address & ~1, name) for name, address in self.code.functions.items())
        found: list[tuple[str, tuple[str, ...], int]] = []
        for (start, end), times in _disjoint(self.blocks, [begin for begin, _ in begins]).items():
            name = begins[bisect(begins, (start, "\U0010ffff")) - 1][1]
            lines = self.processor.decoded(self._bytes(start, end), start)
            found.append((name, tuple(lines), times))
        return found

    def _bytes(self, start: int, end: int) -> bytes:
        return self.code.image[start - self.code.address : end - self.code.address]


@dataclass
class UnicornMachine(Buffers):
    """Memory, code, and calls to make in order, of one processor of Unicorn."""

    processor: Processor
    codes: list[Code] = field(default_factory=list[Code])
    calls: list[Trace] = field(default_factory=list[Trace])
    constants: dict[Code, list[tuple[int, int]]] = field(
        default_factory=dict[Code, list[tuple[int, int]]]
    )
    """Where those of each object lie."""

    def load(self, image: bytes) -> Code:
        """Link a relocatable object that needs nothing else."""
        last = self.codes[-1] if self.codes else Code(b"", CODE, {})
        address = -(-(last.address + len(last.image)) // PAGE) * PAGE
        code, self.constants[code] = link(image, address)
        self.codes.append(code)
        return code

    def call(self, code: Code, symbol: str, *buffers: Buffer) -> Trace:
        """Add a call of a C function with pointers to the buffers."""
        self.calls.append(Trace(code, symbol, buffers, processor=self.processor))
        return self.calls[-1]

    def run(self) -> None:
        """Make all calls, and read back."""
        with extra_model():
            unicorn: Any = import_module("unicorn")
        engine = unicorn.Uc(*self.processor.engine)
        engine.ctl_set_cpu_model(self.processor.model)
        self.processor.enable(engine)
        self._map(engine)
        for call in self.calls:
            self._run(engine, call, unicorn)
        for buffer in self.buffers:
            if buffer.writable:
                buffer.read(bytes(engine.mem_read(buffer.address - buffer.before, buffer.room)))

    def _map(self, engine: Any) -> None:
        engine.mem_map(STACK - STACK_BYTES, STACK_BYTES)
        engine.mem_map(RETURN, PAGE)
        address = BUFFERS
        for buffer in self.buffers:
            buffer.address = address + buffer.before
            engine.mem_map(address, buffer.room)
            engine.mem_write(address, buffer.framed())
            address += buffer.room + PAGE
        for code in self.codes:
            engine.mem_map(code.address, -(-len(code.image) // PAGE) * PAGE)
            engine.mem_write(code.address, code.image)

    def _run(self, engine: Any, call: Trace, unicorn: Any) -> None:
        processor = self.processor
        given, kept, odd = processor.given, processor.kept, int(processor.thumb)
        engine.reg_write(processor.link, RETURN + odd)
        beyond = [buffer.address for buffer in call.buffers[len(given) :]]
        packed = struct.pack(f"<{len(beyond)}{processor.pointer}", *beyond)
        top = STACK - PAGE - -(-len(packed) // 16) * 16
        engine.reg_write(kept[0], top)
        for register, buffer in zip(given, call.buffers):
            engine.reg_write(register, buffer.address)
        engine.mem_write(top, packed)
        for number, register in enumerate(kept[1:], 1):
            engine.reg_write(register, number * 0x01010101)
        held = [engine.reg_read(register) for register in kept]
        call.fault = ""
        hooks = self.watch(engine, call)
        try:
            engine.emu_start(call.code.symbols[call.symbol] | odd, RETURN)
        except unicorn.UcError as error:
            call.fault = call.fault or f"{call.symbol}+{self.place(engine, call):#x}: {error}"
        for hook in hooks:
            engine.hook_del(hook)
        if not call.fault and held != [engine.reg_read(register) for register in kept]:
            call.fault = f"{call.symbol}: a register of the caller has changed"

    def watch(self, engine: Any, call: Trace) -> list[int]:
        """Have a call's blocks counted; return what to take away after it."""
        blocks = call.blocks

        def seen(engine: Any, address: int, size: int, data: Any) -> None:
            blocks[address, size] += 1

        with extra_model():
            return [engine.hook_add(import_module("unicorn").UC_HOOK_BLOCK, seen)]

    def place(self, engine: Any, call: Trace) -> int:
        """How far from the begin of its function a call is."""
        return engine.reg_read(self.processor.counter) - call.code.symbols[call.symbol]


def _disjoint(
    blocks: Mapping[tuple[int, int], int], begins: Iterable[int]
) -> dict[tuple[int, int], int]:
    """Blocks from start to end that do not overlap, as long as can be; of one function each."""
    apart = set(begins)
    cuts = sorted({start for start, _ in blocks} | {start + size for start, size in blocks} | apart)
    found: dict[tuple[int, int], int] = {}
    begin, before = 0, 0
    for start, end in pairwise(cuts):
        times = sum(
            times for (first, size), times in blocks.items() if first <= start < first + size
        )
        if times == before and start not in apart:
            found.pop((begin, start), None)
        else:
            begin, before = start, times
        if times:
            found[begin, end] = times
    return found
