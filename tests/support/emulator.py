"""Call x86-64 functions on an emulated processor, each buffer between unmapped pages.

    machine = Machine("corei7_icelake_u")
    code = machine.load(object_bytes)
    x, y = machine.buffer(input_bytes), machine.buffer(bytes(64), writable=True)
    call = machine.call(code, "kernel", x, y)
    machine.run()
    call.fault, y.overrun, y.held

One run is one boot, 0.3 s whatever the number of calls. An access outside the buffers ends a call and is
told in its `fault`, as is a write to a buffer that is not writable. Where a buffer does not fill its
pages, the rest holds a pattern, and `overrun` says whether that was written.
"""

import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bochs import HEADER, boot, execute
from elftools.elf.elffile import ELFFile
from page_tables import NO_EXECUTE, WRITE, PageTables

from lowering.emulation.memory import FILL, PAGE, Buffer, Buffers, Call, Code

CODE, BUFFERS, WHOLE = 4 << 20, 1 << 30, 1 << 39
"""Addresses of the first object, of the first buffer, and of all memory once more, to be read back."""
STACK_BYTES = 16 * PAGE
MAX_ARGUMENTS = 16
EXCEPTIONS = {0: "division by zero", 6: "invalid instruction", 13: "protection or alignment"}
PAGE_FAULT = 14
_CALL = struct.Struct(f"<5Q{MAX_ARGUMENTS}Q")
_NOT_RUN = (1 << 64) - 1


@dataclass
class Machine(Buffers):
    """Memory, code, and calls to make in order, of one processor model of Bochs."""

    cpu: str
    codes: list[Code] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def load(self, image: bytes) -> Code:
        """Link a relocatable object that needs nothing else."""
        last = self.codes[-1] if self.codes else Code(b"", CODE, {})
        self.codes.append(_link(image, last.address + len(last.image) + PAGE))
        return self.codes[-1]

    def call(self, code: Code, symbol: str, *buffers: Buffer) -> Call:
        """Add a call of a C function with pointers to the buffers."""
        assert len(buffers) <= MAX_ARGUMENTS, f"{symbol}: too many arguments"
        self.calls.append(Call(code, symbol, buffers))
        return self.calls[-1]

    def run(self, timeout: float = 300) -> None:
        """Boot, make all calls, and read back; raises `EmulatorError` if that takes too long."""
        after = boot(self._image(), self.cpu, WHOLE + HEADER, timeout)
        for number, call in enumerate(self.calls):
            start = PAGE + number * _CALL.size
            _tell(call, after[start : start + _CALL.size])
        for buffer in self.buffers:
            if buffer.writable:
                buffer.read(after)

    def _image(self) -> bytes:
        """The header, the calls, the stack, code, buffers, and the page tables that show them."""
        tables, size = PageTables(), 0
        tables.map(0xFFFF0000, 0xFFFF0000, 1 << 16, 0)
        tables.map_gigabyte(WHOLE, 0, NO_EXECUTE)
        listed = -(-len(self.calls) * _CALL.size // PAGE) * PAGE
        for address, room, flags in self._pieces(PAGE + listed):
            tables.map(address, HEADER + size, room, flags)
            size += room
        place = size - sum(buffer.room for buffer in self.buffers)
        for buffer in self.buffers:
            buffer.place = place
            place += buffer.room
        first = HEADER + PAGE
        packed, end = tables.pack(HEADER + size), first + len(self.calls) * _CALL.size
        whole = HEADER + size + len(packed)
        header = struct.pack("<6Q", HEADER + size, first, end, BUFFERS - PAGE, 0, whole)
        entries = b"".join(map(_packed, self.calls))
        parts = [header.ljust(PAGE, b"\0"), entries.ljust(listed, b"\0")]
        parts += [FILL * STACK_BYTES, *(code.image for code in self.codes)]
        parts += [*(buffer.framed() for buffer in self.buffers), packed]
        return b"".join(parts)

    def _pieces(self, header: int) -> Iterator[tuple[int, int, int]]:
        """Address, size and rights of everything, in the order of the image."""
        yield HEADER, header, WRITE | NO_EXECUTE
        yield BUFFERS - PAGE - STACK_BYTES, STACK_BYTES, WRITE | NO_EXECUTE
        for code in self.codes:
            yield code.address, len(code.image), 0
        address = BUFFERS
        for buffer in self.buffers:
            buffer.address = address + buffer.before
            yield address, buffer.room, NO_EXECUTE | (WRITE if buffer.writable else 0)
            address += buffer.room + PAGE


def _packed(call: Call) -> bytes:
    arguments = [buffer.address for buffer in call.buffers]
    arguments += [0] * (MAX_ARGUMENTS - len(arguments))
    return _CALL.pack(call.code.symbols[call.symbol], _NOT_RUN, 0, 0, 0, *arguments)


def _tell(call: Call, entry: bytes) -> None:
    """Say what went wrong with a call."""
    _, status, code, at, address, *_ = _CALL.unpack(entry)
    if status in (0, _NOT_RUN):
        call.fault = "not reached" if status else ""
        return
    what = EXCEPTIONS.get(status - 1, f"exception {status - 1}")
    if status - 1 == PAGE_FAULT:
        deed = "executes" if code & 16 else "writes" if code & 2 else "reads"
        what = f"{deed} {call.describe(address)}"
    call.fault = f"{call.symbol}+{at - call.code.symbols[call.symbol]:#x}: {what}"


def _link(image: bytes, address: int) -> Code:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "code.o").write_bytes(image)
        options = f"-z noseparate-code -z norelro -e 0 -Ttext-segment={address:#x}"
        execute(["ld", *options.split(), "-o", "code", "code.o"], folder)
        with (folder / "code").open("rb") as file:
            elf = ELFFile(file)
            loaded = bytearray()
            for segment in elf.iter_segments("PT_LOAD"):
                start = segment["p_vaddr"] - address
                loaded += bytes(start + segment["p_memsz"] - len(loaded))
                loaded[start : start + segment["p_filesz"]] = segment.data()
            table = elf.get_section_by_name(".symtab")
            symbols = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}
    return Code(bytes(loaded) + bytes(-len(loaded) % PAGE), address, symbols)
