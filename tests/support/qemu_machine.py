"""Call RISC-V functions in one process of QEMU, each buffer between pages that are not mapped.

`emulator.Machine` for vectors that neither Unicorn nor Bochs has, at several lengths of their registers. All
calls are one static program: the objects as `ld.lld` places them, the buffers, and a few instructions that
make the calls in order, tell that each came back, and write what they left. Where there is a C compiler a
plugin (`accesses.c`) tells accesses outside the arguments of a call, to the byte.
"""

import atexit
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from shutil import which

from elftools.elf.elffile import ELFFile
from emulator import MAX_ARGUMENTS

from lowering.emulation.memory import PAGE, Buffer, Buffers, Call, Code
from lowering.emulation.unicorn_link import ALLOCATED, EXECUTED

START, STACK, TABLES, CODE, BUFFERS = 1 << 16, 1 << 19, 1 << 20, 1 << 24, 1 << 28
"""Addresses of the calling code, of its stack's end and tables, of the first object and the first buffer."""
STACK_BYTES = 16 * PAGE
VECTOR_BITS = 128, 256
READ, WRITE, EXECUTE = 4, 2, 1
SP, T0, S0, S1, A0, A1, A2, A7 = 2, 5, 8, 9, 10, 11, 12, 17
WORD = 8
EMULATOR = "qemu-riscv64"


def missing() -> str:
    """What is not installed, or nothing."""
    lacking = [name for name in (EMULATOR, "ld.lld") if which(name) is None]
    return f"no {' and no '.join(lacking)}" if lacking else ""


@cache
def plugin() -> Path | None:
    """The built plugin; None without a compiler, and for QEMU from 9 on, which has another interface."""
    if missing() or which("cc") is None:
        return None
    version = subprocess.run([EMULATOR, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.partition("version ")[2].partition(".")[0]) > 8:
        return None
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    built, source = Path(folder.name) / "accesses.so", Path(__file__).with_name("accesses.c")
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, source, "-o", built], check=True)
    return built


def _immediate(opcode: int, kind: int, to: int, base: int, number: int) -> int:
    return (number & 0xFFF) << 20 | base << 15 | kind << 12 | to << 7 | opcode


def _add(to: int, base: int, number: int) -> int:
    return _immediate(0x13, 0, to, base, number)


def _load(to: int, base: int, offset: int) -> int:
    return _immediate(0x03, 3, to, base, offset)


def _store(value: int, base: int, offset: int) -> int:
    return offset >> 5 << 25 | value << 20 | base << 15 | 3 << 12 | (offset & 31) << 7 | 0x23


def _address(to: int, address: int) -> int:
    return address >> 12 << 12 | to << 7 | 0x37


def _branch(condition: int, register: int, distance: int) -> int:
    bits = distance & 0x1FFF
    upper = (bits >> 12) << 31 | (bits >> 5 & 63) << 25
    return (
        upper
        | register << 15
        | condition << 12
        | (bits >> 1 & 15) << 8
        | (bits >> 11 & 1) << 7
        | 0x63
    )


EQUAL, UNEQUAL = 0, 1
ECALL, JUMP_TO_T0 = 0x73, _immediate(0x67, 0, 1, T0, 0)


def _system(number: int, first: int) -> list[int]:
    return [_add(A0, 0, first), _add(A7, 0, number), ECALL]


def _caller(outputs: int) -> bytes:
    """Make the calls of a table, then write the buffers of another; each ends with a zero."""
    beyond = range(MAX_ARGUMENTS - 8)
    call = [_add(SP, SP, -WORD * len(beyond))]
    for n in beyond:
        call += [_load(A0, S0, WORD * (9 + n)), _store(A0, SP, WORD * n)]
    call += [_load(A0 + n, S0, WORD * (1 + n)) for n in range(8)]
    call += [JUMP_TO_T0, _add(SP, SP, WORD * len(beyond)), _add(S0, S0, WORD * (1 + MAX_ARGUMENTS))]
    call += [_add(A1, S0, 0), _add(A2, 0, 1), *_system(64, 2), _load(T0, S0, 0)]
    call.append(_branch(UNEQUAL, T0, -4 * len(call)))
    write = [_load(A2, S1, WORD), *_system(64, 1), _add(S1, S1, 2 * WORD), _load(A1, S1, 0)]
    write.append(_branch(UNEQUAL, A1, -4 * len(write)))
    code = [_address(SP, STACK), _address(S0, TABLES), _load(T0, S0, 0), *call]
    code += [
        _address(S1, outputs),
        _load(A1, S1, 0),
        _branch(EQUAL, A1, 4 * (1 + len(write))),
        *write,
    ]
    code += _system(93, 0)
    return struct.pack(f"<{len(code)}I", *code)


@dataclass
class QemuMachine(Buffers):
    """Code, and calls to make in order."""

    codes: list[Code] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    _segments: list[tuple[int, bytes, int]] = field(default_factory=list)
    _constants: dict[Code, list[tuple[int, int]]] = field(default_factory=dict)
    """Where those of each object lie."""

    def load(self, image: bytes) -> Code:
        """Link a relocatable object that needs nothing else."""
        base = CODE + (len(self.codes) << 20)
        with tempfile.TemporaryDirectory() as folder:
            source, linked = Path(folder) / "a.o", Path(folder) / "a"
            source.write_bytes(image)
            flags = ["-static", "-e", "0", f"--image-base={base}", "--no-relax"]
            subprocess.run(["ld.lld", *flags, source, "-o", linked], check=True)
            elf = ELFFile(BytesIO(linked.read_bytes()))
        for segment in elf.iter_segments("PT_LOAD"):
            before = segment["p_vaddr"] % PAGE
            held = bytes(before) + segment.data()
            self._segments.append((segment["p_vaddr"] - before, held, segment["p_flags"]))
        symbols = elf.get_section_by_name(".symtab").iter_symbols()
        code = Code(image, base, {one.name: one["st_value"] for one in symbols})
        self._constants[code] = [
            (one["sh_addr"], one["sh_addr"] + one["sh_size"])
            for one in elf.iter_sections()
            if one["sh_flags"] & (ALLOCATED | EXECUTED) == ALLOCATED
        ]
        self.codes.append(code)
        return code

    def call(self, code: Code, symbol: str, *buffers: Buffer) -> Call:
        """Add a call of a C function with pointers to the buffers."""
        self.calls.append(Call(code, symbol, buffers))
        return self.calls[-1]

    def run(self) -> None:
        """Make all calls with registers of each length, and read back what they left."""
        program = b"".join(self._program())
        found = {self._execute(program, bits) for bits in VECTOR_BITS}
        if len(found) > 1:
            for call in self.calls:
                call.fault = call.fault or "other results with longer registers"
        place, left = 0, found.pop()
        for buffer in self._writable:
            buffer.place = place
            place += buffer.room
            if place <= len(left):
                buffer.read(left)

    @property
    def _writable(self) -> list[Buffer]:
        return [buffer for buffer in self.buffers if buffer.writable]

    def _execute(self, program: bytes, bits: int) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            binary, output = Path(folder) / "calls", Path(folder) / "output"
            binary.write_bytes(program)
            binary.chmod(0o700)
            cpu, told = f"rv64,v=true,vext_spec=v1.0,vlen={bits}", Path(folder) / "told"
            watched = self._watched(Path(folder) / "may", told)
            with output.open("wb") as file:
                command = [EMULATOR, *watched, "-cpu", cpu, binary]
                done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=False)
            left = output.read_bytes()
            seen = told.read_bytes() if watched else b""
        # One byte is told for each call that came back; QEMU says more of one that did not.
        back = len(self.calls) if done.returncode == 0 else len(done.stderr.partition(b"qemu")[0])
        for number, call in enumerate(self.calls):
            if number < back:
                call.fault = "" if call.fault == "not run" else call.fault
            else:
                call.fault = f"signal {-done.returncode}" if number == back else "not reached"
        for number, place, address, size, writes in struct.iter_unpack("<5Q", seen):
            call = self.calls[number]
            deed = f"{'writes' if writes else 'reads'} {size} bytes from {call.describe(address)}"
            call.fault = f"{call.symbol}+{place - call.code.symbols[call.symbol]:#x}: {deed}"
        return left

    def _watched(self, may: Path, told: Path) -> list[str]:
        """Options of QEMU by which it looks at every access, where it can; writes what calls may touch."""
        if not (built := plugin()):
            return []
        with may.open("wb") as file:
            for call in self.calls:
                ranges = [(STACK - STACK_BYTES, STACK, True)]
                ranges += [(*one, False) for one in self._constants[call.code]]
                ranges += [(b.address, b.address + len(b.held), b.writable) for b in call.buffers]
                file.write(struct.pack("<Q", len(ranges)))
                file.writelines(struct.pack("<3Q", *one) for one in ranges)
        at = START + _caller(0).index(struct.pack("<I", JUMP_TO_T0))
        return ["-plugin", f"{built},may={may},told={told},call={at:#x},code={CODE:#x}"]

    def _program(self) -> Iterator[bytes]:
        """An executable file: headers, and each segment from the next page on."""
        segments = [*self._segments, *self._buffers()]
        outputs = TABLES + PAGE * -(-(len(self.calls) + 1) * WORD * (1 + MAX_ARGUMENTS) // PAGE)
        calls = b"".join(self._row(call) for call in self.calls)
        written = [n for one in self._writable for n in (one.address - one.before, one.room)]
        segments += [
            (START, _caller(outputs), READ | EXECUTE),
            (STACK - STACK_BYTES, bytes(STACK_BYTES), READ | WRITE),
            (TABLES, calls + bytes(WORD), READ),
            (outputs, struct.pack(f"<{len(written) + 1}Q", *written, 0), READ),
        ]
        size = 64 + 56 * len(segments)
        head = b"\x7fELF\2\1\1".ljust(16, b"\0")
        yield head + struct.pack(
            "<HHIQQQIHHHHHH", 2, 243, 1, START, 64, 0, 5, 64, 56, len(segments), 0, 0, 0
        )
        place, contents = -(-size // PAGE) * PAGE, list[bytes]()
        for address, held, flags in sorted(segments):
            yield struct.pack(
                "<IIQQQQQQ", 1, flags, place, address, address, len(held), len(held), PAGE
            )
            contents.append(held + bytes(-len(held) % PAGE))
            place += len(contents[-1])
        yield bytes(-size % PAGE)
        yield from contents

    def _buffers(self) -> Iterator[tuple[int, bytes, int]]:
        address = BUFFERS
        for buffer in self.buffers:
            buffer.address = address + buffer.before
            yield address, buffer.framed(), READ | WRITE * buffer.writable
            address += buffer.room + PAGE

    def _row(self, call: Call) -> bytes:
        places = [call.code.symbols[call.symbol], *(buffer.address for buffer in call.buffers)]
        return struct.pack(
            f"<{1 + MAX_ARGUMENTS}Q", *places, *[0] * (1 + MAX_ARGUMENTS - len(places))
        )
