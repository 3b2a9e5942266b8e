"""Run compiled functions on buffers between guard pages, in a child process that may die of it.

`request` and `results` are the near side; `run` is the far side, called by name in a
`lowering.backend.isolate.Worker`. A request is a line of JSON, then the bytes it refers to. Each set of
data runs twice: with every buffer flush against the guard page behind it, then against the one before.
A function made of tasks then runs again, its tasks cut in parts, last part first, and done by a pool
of threads: each time it must write the same bytes.
"""

import ctypes
import json
import mmap
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

PAGE = mmap.PAGESIZE
FILL = 0xA5
"""What every byte holds before a call, inside outs and arena too."""
SIDES = ("right", "left")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


@dataclass(frozen=True)
class Argument:
    """One pointer that a function takes."""

    role: str
    """`in`, `packed` (a result of the function before), `out` or `arena`."""
    size: int
    """Bytes."""
    alignment: int
    """Bytes: of an element, or 64 of an arena."""
    index: int = 0
    """Of a packed argument: which result it is."""


@dataclass(frozen=True)
class Function:
    """A symbol and its arguments, in the order of the calling convention."""

    symbol: str
    arguments: tuple[Argument, ...]
    tasks: tuple[tuple[str, int], ...] = ()
    """Symbol and extent of each task that does the same, in order."""


class Guarded:
    """Memory with an inaccessible page at either end."""

    def __init__(self, size: int, alignment: int, side: str) -> None:
        self.size, self._room = size, max(1, -(-size // PAGE)) * PAGE
        self._base = _libc.mmap(
            None, self._room + 2 * PAGE, 0, mmap.MAP_PRIVATE | mmap.MAP_ANON, -1, 0
        )
        if self._base in (None, ctypes.c_void_p(-1).value):
            raise MemoryError("no memory for a guarded buffer")
        self._protect(mmap.PROT_READ | mmap.PROT_WRITE)
        ctypes.memset(self._base + PAGE, FILL, self._room)
        self._start = (self._room - size) // alignment * alignment if side == "right" else 0

    @property
    def address(self) -> int:
        return self._base + PAGE + self._start

    def write(self, data: bytes) -> None:
        """Fill the buffer and make it read-only."""
        ctypes.memmove(self.address, data, self.size)
        self._protect(mmap.PROT_READ)

    def read(self) -> bytes:
        return ctypes.string_at(self.address, self.size)

    def untouched_around(self) -> bool:
        """Whether the bytes between the buffer and its guards are as they were."""
        whole = ctypes.string_at(self._base + PAGE, self._room)
        around = whole[: self._start] + whole[self._start + self.size :]
        return not around.strip(bytes([FILL]))

    def free(self) -> None:
        _libc.munmap(self._base, self._room + 2 * PAGE)

    def _protect(self, protection: int) -> None:
        if _libc.mprotect(self._base + PAGE, self._room, protection):
            raise OSError(ctypes.get_errno(), "mprotect")


def request(
    ir: str,
    target: str,
    constants: dict[str, bytes],
    functions: list[Function],
    sets: list[list[list[bytes]]],
) -> bytes:
    """A request: code, its functions, and for each set and function the bytes of its inputs."""
    header = {
        "ir": ir,
        "target": target,
        "constants": {name: len(held) for name, held in constants.items()},
        "functions": [asdict(function) for function in functions],
        "sets": len(sets),
    }
    inputs = [data for one in sets for arguments in one for data in arguments]
    return b"\n".join([json.dumps(header).encode(), b"".join([*constants.values(), *inputs])])


def results(reply: bytes, functions: list[Function], sets: int) -> list[list[list[bytes]]]:
    """For each set and side in turn, what each function wrote to its outs."""
    place = 0

    def take(size: int) -> bytes:
        nonlocal place
        place += size
        return reply[place - size : place]

    return [
        [[take(a.size) for a in f.arguments if a.role == "out"] for f in functions]
        for _ in range(sets * len(SIDES))
    ]


def run(data: bytes) -> bytes:
    """Compile and call what a request asks for; the outs of every call, one after another."""
    from lowering.backend.jit import Jit
    from lowering.backend.translate import Translated
    from microkernels.target import Target

    head, _, body = data.partition(b"\n")
    header = json.loads(head)
    stream = memoryview(body)

    def take(size: int) -> bytes:
        nonlocal stream
        taken, stream = bytes(stream[:size]), stream[size:]
        return taken

    constants = {name: take(size) for name, size in header["constants"].items()}
    jit = Jit(Translated(header["ir"], constants), Target.parse(header["target"]))
    functions = [
        Function(
            f["symbol"],
            tuple(Argument(**a) for a in f["arguments"]),
            tuple((symbol, extent) for symbol, extent in f["tasks"]),
        )
        for f in header["functions"]
    ]
    replies: list[bytes] = []
    for _ in range(header["sets"]):
        inputs = [[take(a.size) for a in f.arguments if a.role == "in"] for f in functions]
        for side in SIDES:
            outs: list[bytes] = []
            for function, given in zip(functions, inputs):
                packed, outs = outs, _call(jit, function, given, outs, side, _whole)
                replies += outs
                for do in (_in_thirds, _unit_by_unit, _by_threads) if function.tasks else ():
                    again = _call(jit, function, given, packed, side, do)
                    if again != outs:
                        raise AssertionError(
                            f"@{function.symbol}{do.__name__} differs, {side}-flush"
                        )
    return b"".join(replies)


def _whole(jit: Any, function: Function, pointers: list[int]) -> None:
    jit.function(function.symbol, None, *[ctypes.c_void_p] * len(pointers))(*pointers)


def _cut(jit: Any, function: Function, pointers: list[int], parts: int) -> None:
    """Run each task in up to so many parts, last part first."""
    args = (ctypes.c_void_p * len(pointers))(*pointers)
    for symbol, extent in function.tasks:
        task = jit.function(symbol, None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        for part in reversed(range(parts)):
            begin, end = extent * part // parts, extent * (part + 1) // parts
            if begin < end:
                task(args, begin, end)


def _in_thirds(jit: Any, function: Function, pointers: list[int]) -> None:
    _cut(jit, function, pointers, 3)


def _unit_by_unit(jit: Any, function: Function, pointers: list[int]) -> None:
    _cut(jit, function, pointers, max(extent for _, extent in function.tasks))


def _by_threads(jit: Any, function: Function, pointers: list[int]) -> None:
    from lowering.backend.pool import Team, pool

    team = Team(pool(), jit, function.tasks, 3)
    team.run(*team.arguments, team.pointers(pointers))


def _call(
    jit: Any,
    function: Function,
    inputs: list[bytes],
    packed: list[bytes],
    side: str,
    do: Callable[[Any, Function, list[int]], None],
) -> list[bytes]:
    """Let `do` call a function on guarded buffers; return what it wrote."""
    buffers = [Guarded(a.size, a.alignment, side) for a in function.arguments]
    given = iter(inputs)
    for argument, buffer in zip(function.arguments, buffers):
        if argument.role in ("in", "packed"):
            buffer.write(packed[argument.index] if argument.role == "packed" else next(given))
    pointers = [buffer.address for buffer in buffers]
    do(jit, function, pointers)
    for number, (argument, buffer) in enumerate(zip(function.arguments, buffers)):
        if not buffer.untouched_around():
            raise AssertionError(
                f"@{function.symbol} wrote outside argument {number} ({argument.role}, {side}-flush)"
            )
    outs = [b.read() for a, b in zip(function.arguments, buffers) if a.role == "out"]
    for buffer in buffers:
        buffer.free()
    return outs
