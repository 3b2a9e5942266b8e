"""Call functions for ARM in this process, on Unicorn: `emulator.Machine` for other architectures.

Every access of memory is checked. What lies in no argument, nor in the stack or in constants of the object,
ends a call and is told in its `fault`, to the byte, as is a write to a buffer that is not writable, and a
register that the caller may rely on and does not find again. `Trace.instructions` counts what is executed.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import unicorn
from emulator import FILL, Buffer, Buffers, Call, Code
from page_tables import PAGE
from unicorn_link import link
from unicorn_processors import Processor

CODE, BUFFERS, STACK, RETURN = 1 << 22, 1 << 28, 1 << 24, 1 << 20
"""Addresses of the first object, of the first buffer, below which the stack ends, and to return to."""
STACK_BYTES = 1 << 20
WRITES = unicorn.UC_MEM_WRITE, unicorn.UC_MEM_WRITE_UNMAPPED
WIDEST = 16
"""Bytes that are reported as one access, at most."""


@dataclass(eq=False)
class Trace(Call):
    """One call, and the blocks of instructions that it executed."""

    processor: Processor = field(kw_only=True)
    blocks: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    """How often each block ran, by address and bytes."""

    @property
    def instructions(self) -> int:
        """Instructions executed, all of them."""
        return sum(self.retired(*block) * times for block, times in self.blocks.items())

    def retired(self, address: int, size: int) -> int:
        """Instructions of a block."""
        start = address - self.code.address
        return self.processor.instructions(self.code.image[start : start + size])


@dataclass
class UnicornMachine(Buffers):
    """Memory, code, and calls to make in order, of one processor of Unicorn."""

    processor: Processor
    watched: bool = True
    """Whether accesses are checked; without it instructions are counted."""
    buffers: list[Buffer] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    calls: list[Trace] = field(default_factory=list)
    _constants: dict[Code, list[tuple[int, int]]] = field(default_factory=dict)

    def load(self, image: bytes) -> Code:
        """Link a relocatable object that needs nothing else."""
        last = self.codes[-1] if self.codes else Code(b"", CODE, {})
        address = -(-(last.address + len(last.image)) // PAGE) * PAGE
        code, self._constants[code] = link(image, address)
        self.codes.append(code)
        return code

    def call(self, code: Code, symbol: str, *buffers: Buffer) -> Trace:
        """Add a call of a C function with pointers to the buffers."""
        self.calls.append(Trace(code, symbol, buffers, processor=self.processor))
        return self.calls[-1]

    def run(self) -> None:
        """Make all calls, and read back."""
        engine = unicorn.Uc(*self.processor.engine)
        engine.ctl_set_cpu_model(self.processor.model)
        self.processor.enable(engine)
        self._map(engine)
        for call in self.calls:
            self._run(engine, call)
        for buffer in self.buffers:
            if buffer.writable:
                start = buffer.address - buffer.before
                frame = bytes(engine.mem_read(start, buffer.room))
                end = buffer.before + len(buffer.held)
                rest = frame[: buffer.before] + frame[end:]
                buffer.overrun = rest != FILL * len(rest)
                buffer.held = frame[buffer.before : end]

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

    def _run(self, engine: Any, call: Trace) -> None:
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
        hooks = self._watch(engine, call) if self.watched else [_count(engine, call)]
        try:
            engine.emu_start(call.code.symbols[call.symbol] | odd, RETURN)
        except unicorn.UcError as error:
            call.fault = call.fault or f"{call.symbol}+{self._at(engine, call):#x}: {error}"
        for hook in hooks:
            engine.hook_del(hook)
        if not call.fault and held != [engine.reg_read(register) for register in kept]:
            call.fault = f"{call.symbol}: a register of the caller has changed"

    def _watch(self, engine: Any, call: Trace) -> list[int]:
        """Look at accesses that may be outside: those that begin there, or shortly before."""
        own = [(one.address, one.address + len(one.held), one.writable) for one in call.buffers]
        always = [(STACK - STACK_BYTES, STACK)]
        allowed = {
            unicorn.UC_HOOK_MEM_READ: always
            + self._constants[call.code]
            + [one[:2] for one in own],
            unicorn.UC_HOOK_MEM_WRITE: always + [one[:2] for one in own if one[2]],
        }
        unmapped = engine.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED, self._watcher(call, 0))
        return [unmapped] + [
            engine.hook_add(
                kind, self._watcher(call, end), begin=max(begin, end - WIDEST), end=last
            )
            for kind, ranges in allowed.items()
            for (begin, end), last in _with_what_follows(ranges)
        ]

    def _watcher(self, call: Trace, end: int) -> Callable[..., None]:
        def seen(engine: Any, access: int, address: int, size: int, value: int, data: Any) -> bool:
            self.processor.settle(engine)
            if outside := address + size > end:
                deed = "writes" if access in WRITES else "reads"
                where = f"{call.symbol}+{self._at(engine, call):#x}"
                call.fault = f"{where}: {deed} {call._describe(max(address, end))}"
                engine.emu_stop()
            return not outside

        return seen

    def _at(self, engine: Any, call: Trace) -> int:
        return engine.reg_read(self.processor.counter) - call.code.symbols[call.symbol]


def _with_what_follows(
    ranges: list[tuple[int, int]],
) -> Iterator[tuple[tuple[int, int], int]]:
    """Ranges in order, an empty one before all, each with the last address before the next."""
    ordered = [(0, 0), *sorted(one for one in ranges if one[0] < one[1])]
    lasts = [*(begin - 1 for begin, _ in ordered[1:]), (1 << 64) - 1]
    return zip(ordered, lasts)


def _count(engine: Any, call: Trace) -> int:
    blocks = call.blocks

    def seen(engine: Any, address: int, size: int, data: Any) -> None:
        blocks[address, size] += 1

    return engine.hook_add(unicorn.UC_HOOK_BLOCK, seen)
