"""Run compiled functions on buffers between guard pages, in a child process that may die of it.

`request` and `results` are the near side; `run` is the far side, called by name in a
`lowering.backend.isolate.Worker`. A request is a line of JSON, then the bytes it refers to. Each set of
data runs twice: with every buffer flush against the guard page behind it, then against the one before.
A function made of tasks then runs again, its tasks cut in parts, last part first, and done by a pool
of threads: each time it must write the same bytes.
"""

import ctypes
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from lowering.backend.guarded import SIDES as SIDES
from lowering.backend.guarded import Guarded


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
