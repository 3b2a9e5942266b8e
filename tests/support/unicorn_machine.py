"""Call AArch64 functions in this process, on Unicorn: `emulator.Machine` for another architecture.

Every access of memory is seen. What lies in no argument, nor in the stack or in constants of the object,
ends a call and is told in its `fault`, to the byte, as is a write to a buffer that is not writable, and a
register that the caller may rely on and does not find again. `Trace.instructions` counts what is executed.
"""

import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import unicorn
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from emulator import FILL, Buffer, Call, Code
from page_tables import PAGE
from unicorn import arm64_const as arm64

CODE, BUFFERS, STACK, RETURN = 1 << 22, 1 << 32, 1 << 24, 1 << 20
"""Addresses of the first object, of the first buffer, below which the stack ends, and to return to."""
STACK_BYTES = 1 << 20
FP_ACCESS = 3 << 20
WRITES = unicorn.UC_MEM_WRITE
ALLOCATED, EXECUTED = 2, 4

KEPT = [
    getattr(arm64, f"UC_ARM64_REG_{name}") for name in ("SP", *(f"X{n}" for n in range(19, 30)))
]
KEPT += [getattr(arm64, f"UC_ARM64_REG_D{n}") for n in range(8, 16)]
"""What a function leaves as it was."""
GIVEN = [getattr(arm64, f"UC_ARM64_REG_X{n}") for n in range(8)]


def _page(place: int, to: int) -> int:
    return ((to >> 12) - (place >> 12)) & 0x1FFFFF


def _low(shift: int) -> Callable[[int, int], int]:
    return lambda place, to: (to & 0xFFF) >> shift << 10


def _adr(place: int, to: int) -> int:
    page = _page(place, to)
    return (page & 3) << 29 | page >> 2 << 5


def _branch(place: int, to: int) -> int:
    return (to - place) // 4 & 0x3FFFFFF


PATCHES: dict[int, Callable[[int, int], int]] = {
    275: _adr,
    277: _low(0),
    278: _low(0),
    282: _branch,
    283: _branch,
    284: _low(1),
    285: _low(2),
    286: _low(3),
    299: _low(4),
    311: _adr,
    312: _low(3),
}
"""The bits that each kind of relocation adds to an instruction at a place, some by way of a table."""
INDIRECT = 311, 312
WORDS = {257: ("<Q", False), 261: ("<i", True)}
"""Relocations that write a word of data, and whether it counts from its place."""


@dataclass(eq=False)
class Trace(Call):
    """One call, and the blocks of instructions that it executed."""

    blocks: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    """How often each block ran, by address and bytes."""

    @property
    def instructions(self) -> int:
        """Instructions executed, all of them."""
        return sum(size // 4 * times for (_, size), times in self.blocks.items())


@dataclass
class UnicornMachine:
    """Memory, code, and calls to make in order, of one processor model of Unicorn."""

    model: int
    watched: bool = True
    """Whether accesses are checked; without it calls are as quick as can be."""
    buffers: list[Buffer] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    calls: list[Trace] = field(default_factory=list)
    _constants: list[tuple[int, int]] = field(default_factory=list)

    def load(self, image: bytes) -> Code:
        """Link a relocatable object that needs nothing else."""
        last = self.codes[-1] if self.codes else Code(b"", CODE, {})
        address = -(-(last.address + len(last.image)) // PAGE) * PAGE
        code, constants = link(image, address)
        self.codes.append(code)
        self._constants += constants
        return code

    def buffer(
        self, held: bytes, *, writable: bool = False, alignment: int = 64, side: str = "right"
    ) -> Buffer:
        """Add a buffer."""
        self.buffers.append(Buffer(held, writable, alignment, side))
        return self.buffers[-1]

    def call(self, code: Code, symbol: str, *buffers: Buffer) -> Trace:
        """Add a call of a C function with pointers to the buffers."""
        self.calls.append(Trace(code, symbol, buffers))
        return self.calls[-1]

    def run(self) -> None:
        """Make all calls, and read back."""
        engine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        engine.ctl_set_cpu_model(self.model)
        engine.reg_write(arm64.UC_ARM64_REG_CPACR_EL1, FP_ACCESS)
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
        engine.reg_write(arm64.UC_ARM64_REG_X30, RETURN)
        beyond = call.buffers[len(GIVEN) :]
        top = STACK - PAGE - -(-len(beyond) // 2) * 16
        engine.reg_write(arm64.UC_ARM64_REG_SP, top)
        for register, buffer in zip(GIVEN, call.buffers):
            engine.reg_write(register, buffer.address)
        packed = struct.pack(f"<{len(beyond)}Q", *(buffer.address for buffer in beyond))
        engine.mem_write(top, packed)
        for number, register in enumerate(KEPT[1:], 1):
            engine.reg_write(register, number * 0x0101010101010101)
        kept = [engine.reg_read(register) for register in KEPT]
        call.fault = ""
        hooks = [engine.hook_add(unicorn.UC_HOOK_BLOCK, _counter(call))]
        if self.watched:
            kinds = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
            hooks.append(engine.hook_add(kinds, self._watcher(call)))
        try:
            engine.emu_start(call.code.symbols[call.symbol], RETURN)
        except unicorn.UcError as error:
            call.fault = call.fault or f"{call.symbol}+{self._at(engine, call):#x}: {error}"
        for hook in hooks:
            engine.hook_del(hook)
        if not call.fault and kept != [engine.reg_read(register) for register in KEPT]:
            call.fault = f"{call.symbol}: a register of the caller has changed"

    def _watcher(self, call: Trace) -> Callable[..., None]:
        stack = STACK - STACK_BYTES, STACK
        own = [(one.address, one.address + len(one.held), one) for one in call.buffers]
        read = [stack, *self._constants, *((start, end) for start, end, _ in own)]
        written = [stack, *((start, end) for start, end, one in own if one.writable)]
        ranges = {access: sorted(found) for access, found in ((True, written), (False, read))}
        starts = {access: [start for start, _ in found] for access, found in ranges.items()}

        def seen(engine: Any, access: int, address: int, size: int, value: int, data: Any) -> None:
            writes = access == WRITES
            place = bisect_right(starts[writes], address) - 1
            end = ranges[writes][place][1] if place >= 0 else 0
            if address + size > end:
                deed, outside = "writes" if writes else "reads", max(address, end)
                where = f"{call.symbol}+{self._at(engine, call):#x}"
                call.fault = f"{where}: {deed} {call._describe(outside)}"
                engine.emu_stop()

        return seen

    def _at(self, engine: Any, call: Trace) -> int:
        return engine.reg_read(arm64.UC_ARM64_REG_PC) - call.code.symbols[call.symbol]


def _counter(call: Trace) -> Callable[..., None]:
    blocks = call.blocks

    def seen(engine: Any, address: int, size: int, data: Any) -> None:
        blocks[address, size] += 1

    return seen


def link(image: bytes, address: int) -> tuple[Code, list[tuple[int, int]]]:
    """An object at an address, and where its constants lie; every symbol that it names must be its own."""
    elf = ELFFile(BytesIO(image))
    loaded, places, constants = bytearray(), dict[int, int](), list[tuple[int, int]]()
    for number, section in enumerate(elf.iter_sections()):
        if section["sh_flags"] & ALLOCATED and section["sh_type"] in ("SHT_PROGBITS", "SHT_NOBITS"):
            loaded += bytes(-len(loaded) % max(1, section["sh_addralign"]))
            places[number] = address + len(loaded)
            if not section["sh_flags"] & EXECUTED:
                constants.append((places[number], places[number] + section["sh_size"]))
            loaded += section.data()
    loaded += bytes(-len(loaded) % 8)
    table, slots = address + len(loaded), dict[int, int]()
    for section in elf.iter_sections():
        if isinstance(section, RelocationSection) and section["sh_info"] in places:
            symbols = elf.get_section(section["sh_link"])
            for one in section.iter_relocations():
                symbol = symbols.get_symbol(one["r_info_sym"])
                to = places[symbol["st_shndx"]] + symbol["st_value"] + one["r_addend"]
                place, kind = places[section["sh_info"]] + one["r_offset"], one["r_info_type"]
                if kind in INDIRECT:
                    to = slots.setdefault(to, table + 8 * len(slots))
                at = place - address
                if kind in WORDS:
                    word, relative = WORDS[kind]
                    struct.pack_into(word, loaded, at, to - place * relative)
                    continue
                (word,) = struct.unpack_from("<I", loaded, at)
                struct.pack_into("<I", loaded, at, word | PATCHES[kind](place, to))
    loaded += struct.pack(f"<{len(slots)}Q", *slots)
    constants.append((table, table + 8 * len(slots)))
    symbols = elf.get_section_by_name(".symtab").iter_symbols()
    known = {
        symbol.name: places[symbol["st_shndx"]] + symbol["st_value"]
        for symbol in symbols
        if symbol["st_shndx"] in places
    }
    return Code(bytes(loaded), address, known), constants
