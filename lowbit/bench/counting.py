"""What a program executes on another processor, counted by an emulator: exact, and the same every time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lowbit.code_generation import Generated
from lowbit.signature import Function, Parameter
from lowbit_dialect.layout import Array, storage_bytes, storage_of
from lowbit_dialect.storage import from_storage, to_storage
from lowering.backend.emit import emit_object
from lowering.emulation.memory import Buffer
from lowering.emulation.unicorn_machine import UnicornMachine
from lowering.emulation.unicorn_processors import processor_of

_CORE = re.compile(r"(v?cnt|[us]adalp|vpadal|[us]mlal2?|vmlal|[us]mull2?|tbl|[us]dot|fmla)\b")
"""What only products are made of."""
_HOT = 0.02
"""The part of all instructions from which on a block is hot."""


@dataclass(frozen=True)
class CodeBlock:
    """Instructions that follow each other and are executed as often."""

    function: str
    lines: tuple[str, ...]
    times: int

    @property
    def retired(self) -> int:
        """Instructions executed."""
        return len(self.lines) * self.times

    @property
    def core(self) -> bool:
        """Whether it forms products."""
        return 4 * sum(bool(_CORE.match(line)) for line in self.lines) > len(self.lines)

    @property
    def spills(self) -> int:
        """Instructions that access the stack."""
        return sum("[sp" in line for line in self.lines)


@dataclass(frozen=True)
class Retired:
    """What one call executed, block by block."""

    blocks: tuple[CodeBlock, ...]

    @cached_property
    def instructions(self) -> int:
        """All of them."""
        return sum(block.retired for block in self.blocks)

    @property
    def core(self) -> int:
        """Instructions in blocks that form products; the others pack, place tiles and store sums."""
        return sum(block.retired for block in self.blocks if block.core)

    @property
    def hot(self) -> list[CodeBlock]:
        """Blocks that are executed often."""
        return [block for block in self.blocks if block.retired > _HOT * self.instructions]

    @property
    def spilling(self) -> float:
        """The largest part of a hot block that accesses the stack."""
        return max((block.spills / len(block.lines) for block in self.hot), default=0.0)

    def of(self, function: str) -> Retired:
        """What was executed in one function."""
        return Retired(tuple(block for block in self.blocks if block.function == function))


def count(code: Generated, arrays: Mapping[str, Array]) -> tuple[Retired, list[Array]]:
    """Call a program on decoded inputs by name; what that executed, and the results, decoded.

    What constant inputs are packed by is not counted. Raises ValueError for a target that nothing here
    models, without the extra `model`, and for code that the emulator cannot execute.
    """
    machine = UnicornMachine(processor_of(code.target))
    linked, signature = machine.load(emit_object(code.translated, code.target)), code.signature
    packed: list[Buffer] = []

    def given(parameter: Parameter) -> Buffer:
        if parameter.packed is not None:
            return packed[parameter.packed]
        return machine.buffer(to_storage(arrays[parameter.name], parameter.type).tobytes())

    if signature.pack is not None:
        ins, packed = _buffers(machine, signature.pack, given)
        machine.call(linked, signature.pack.symbol, *ins)
    everything, results = _buffers(machine, signature.main, given)
    call = machine.call(linked, signature.main.symbol, *everything)
    machine.run()
    for one in machine.calls:
        if one.fault:
            raise ValueError(f"the emulator cannot run the code for {code.target}: {one.fault}")
    blocks = tuple(CodeBlock(*block) for block in call.listed())
    decoded = [
        from_storage(
            np.frombuffer(one.held, storage_of(type)[1]).reshape(storage_of(type)[0]), type
        )
        for one, type in zip(results, signature.main.results)
    ]
    return Retired(blocks), decoded


def _buffers(
    machine: UnicornMachine, function: Function, given: Callable[[Parameter], Buffer]
) -> tuple[Sequence[Buffer], list[Buffer]]:
    """The memory of every pointer that a function takes, and of its results among it."""
    inputs = list(map(given, function.parameters))
    results = [machine.buffer(bytes(storage_bytes(t)), writable=True) for t in function.results]
    arena = [machine.buffer(bytes(function.arena), writable=True)] if function.arena else []
    return [*inputs, *results, *arena], results
