"""Damaged array files, schedules and saved kernels: each is refused in a sentence, or does what it should.

    PYTHONPATH=. python tests/support/mutants.py npz|schedules|kernels [FIRST] COUNT

Mutant `n` of a kind is always the same one, so a crash is found again by its number. No file and no schedule
may end in anything but a result or a ValueError of one line, within `SECONDS` and `MEMORY`.
"""

from __future__ import annotations

import io
import re
import resource
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from random import Random

import numpy as np

import lowbit
from lowbit.array_files import load_arrays
from lowbit.kernel import restore
from lowbit.saved import to_bytes
from lowbit_dialect.schedule import CHOICES, SMALLEST

SECONDS = 5.0
"""Of processor time, which others on the machine do not add to."""
MEMORY = 4 << 30
"""Bytes of address space, the interpreter's and LLVM's included."""

NUMBERS_TO_WRITE = (
    0,
    1,
    7,
    8,
    255,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
)


def damaged(random: Random, data: bytes, places: range | list[int]) -> bytes:
    """`data` with a few bytes, numbers or lengths changed, at `places` or anywhere."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.choice(places) if random.random() < 0.8 else random.randrange(len(data))
        match random.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                changed[at : at + 1] = bytes([data[at] ^ 1 << random.randrange(8)])
            case 2 | 3:
                size = random.choice((2, 4, 8))
                number = random.choice(NUMBERS_TO_WRITE) % (1 << 8 * size)
                changed[at : at + size] = number.to_bytes(size, "little")
            case 4:
                other = random.randrange(len(data))
                changed[at : at + 16] = data[other : other + 16]
            case _ if random.random() < 0.2:
                del changed[at : at + random.randrange(1, 64)]
            case _:
                changed[at : at + 4] = random.randbytes(4)
        if len(changed) <= at:
            break
    return bytes(changed)


@cache
def archives() -> tuple[bytes, ...]:
    """Array files of every kind."""
    array, found = np.arange(600, dtype=np.int16).reshape(20, 30) % 7, list[bytes]()
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", method) as file:
            for name in "xw":
                with file.open(f"{name}.npy", "w") as entry:
                    np.lib.format.write_array(entry, array)
        found.append(held.getvalue())
    for version in ((1, 0), (2, 0), (3, 0)):
        held = io.BytesIO()
        np.lib.format.write_array(held, array, version=version)
        found.append(held.getvalue())
    return tuple(found)


def npz(random: Random) -> bool:
    data = random.choice(archives())
    ends = [*range(min(160, len(data))), *range(max(0, len(data) - 200), len(data))]
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        file.write(damaged(random, data, ends))
        file.flush()
        load_arrays(file.name)
    return True


def schedule_text(random: Random) -> str:
    """Fields of a schedule, most of them legal, in a text that may be damaged."""
    names = random.sample((*SMALLEST, *CHOICES, "microkernel", "loops"), random.randrange(1, 5))
    values = {name: random.choice((*legal, "", "none")) for name, legal in CHOICES.items()}
    values |= {
        name: str(random.choice((0, 1, 2, 3, 4, 8, 16, 1024, 1025, -1))) for name in SMALLEST
    }
    axes = random.choice(
        ("rows by 3, channels, rows", "rows, channels", "rows, rows by 2, channels")
    )
    values["loops"] = f"[{axes}, pixels]"
    values["microkernel"] = random.choice(
        ("popcount_32x16", "lookup_4x32", "vnni_u8s8x16", "abacus")
    )
    text = ", ".join(f"{name} = {values[name]}" for name in names)
    if random.random() < 0.3:
        text = damaged(random, text.encode(), range(len(text))).decode("latin-1")
    return text


def schedules(random: Random) -> bool:
    """The same bits by any schedule, given to `compile` or written in the program."""
    program, text = lowbit.dense((5, 40), (40, 24), "uint2", "odd1"), schedule_text(random)
    target = random.choice(("host", "x86-64", "x86-64-v3"))
    if random.random() < 0.5:
        kernel = lowbit.compile(program, target, text)
    else:
        written = f"lowbit.dense %x, %w {{schedule = #lowbit.schedule<{text}>}}"
        pinned = re.sub(r"lowbit\.dense %x, %w", lambda _: written, str(program))
        kernel = lowbit.compile(lowbit.parse(pinned), target)
    x = np.arange(200).reshape(5, 40) % 4
    w = np.arange(960).reshape(40, 24) * 7 // 5 % 2 * 2 - 1
    if not kernel._why_not:
        assert np.array_equal(kernel(x, w), x @ w)
    return True


@cache
def saved() -> tuple[bytes, list[int]]:
    """A saved kernel, and the places of its sizes and of what its object says about itself."""
    program = lowbit.Program()
    x, w = program.input((2, 40), "uint3"), program.input((40, 24), "int2", constant=True)
    steps = program.constant(np.arange(72, dtype=np.int32).reshape(24, 3), "i32")
    program.output(program.threshold(program.dense(x, w), steps, "uint2"))
    data = to_bytes(lowbit.compile(program).saved())
    start = data.index(b"\x7fELF")
    (table,) = struct.unpack_from("<Q", data, start + 40)
    (count,) = struct.unpack_from("<H", data, start + 60)
    places = [*range(72, start), *range(start, start + 64)]
    places += range(start + table, start + table + 64 * count)
    for index in range(count):
        section = start + table + 64 * index
        kind, offset, size = struct.unpack_from("<4xI16xQQ", data, section)
        if kind in (2, 3, 4):
            places += range(start + offset, start + offset + size)
    return data, places


def kernels(random: Random) -> bool:
    """Loads, but does not call: a right checksum means that the code is its owner's."""
    data, places = saved()
    changed = damaged(random, data, places)
    if random.random() < 0.8 and len(changed) > 72:
        digest = sha256(changed[:40] + bytes(32) + changed[72:]).digest()
        changed = changed[:40] + digest + changed[72:]
    kernel = restore(changed)
    assert repr(kernel)
    return True


KINDS: dict[str, Callable[[Random], bool]] = {
    "npz": npz,
    "schedules": schedules,
    "kernels": kernels,
}


def outcome(kind: str, number: int) -> bool:
    """Whether mutant `number` was taken; raises AssertionError if it ended as none may."""
    started = time.process_time()
    try:
        taken = KINDS[kind](Random(f"{kind} {number}"))
    except (ValueError, OSError) as error:
        text, taken = str(error), False
        assert text and len(text) < 1000 and "\n" not in text, f"{kind} {number}: {text!r}"
        assert "internal error" not in text, f"{kind} {number}: {text}"
    except Exception as error:
        raise AssertionError(f"{kind} {number}: {type(error).__name__}: {error}") from error
    seconds = time.process_time() - started
    assert seconds < SECONDS, f"{kind} {number} took {seconds:.1f} s"
    return taken


def main(kind: str, *numbers: str) -> None:
    """Try mutants of a kind; the process ends in an error at the first that is not as it should be."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    first, count = (0, *map(int, numbers))[-2:]
    taken = 0
    for number in range(first, first + count):
        print(f"\r{kind} {number} ", end="", file=sys.stderr, flush=True)
        taken += outcome(kind, number)
    print(f"{kind}: {count} tried, {taken} taken, {count - taken} refused")


if __name__ == "__main__":
    main(*sys.argv[1:])
