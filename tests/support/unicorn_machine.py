"""Call functions for ARM in this process, on Unicorn: `emulator.Machine` for other architectures.

Every access of memory is checked. What lies in no argument, nor in the stack or in constants of the object,
ends a call and is told in its `fault`, to the byte, as is a write to a buffer that is not writable, and a
register that the caller may rely on and does not find again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import unicorn

from lowering.emulation import unicorn_machine
from lowering.emulation.unicorn_machine import STACK, STACK_BYTES, Trace

WRITES = unicorn.UC_MEM_WRITE, unicorn.UC_MEM_WRITE_UNMAPPED
WIDEST = 16
"""Bytes that are reported as one access, at most."""


@dataclass
class UnicornMachine(unicorn_machine.UnicornMachine):
    """Memory, code, and calls to make in order, of one processor of Unicorn."""

    watched: bool = True
    """Whether accesses are checked; without it instructions are counted."""

    def watch(self, engine: Any, call: Trace) -> list[int]:
        """Look at accesses that may be outside: those that begin there, or shortly before."""
        if not self.watched:
            return super().watch(engine, call)
        own = [(one.address, one.address + len(one.held), one.writable) for one in call.buffers]
        always = [(STACK - STACK_BYTES, STACK)]
        allowed = {
            unicorn.UC_HOOK_MEM_READ: always + self.constants[call.code] + [one[:2] for one in own],
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
                where = f"{call.symbol}+{self.place(engine, call):#x}"
                call.fault = f"{where}: {deed} {call.describe(max(address, end))}"
                engine.emu_stop()
            return not outside

        return seen


def _with_what_follows(
    ranges: list[tuple[int, int]],
) -> Iterator[tuple[tuple[int, int], int]]:
    """Ranges in order, an empty one before all, each with the last address before the next."""
    ordered = [(0, 0), *sorted(one for one in ranges if one[0] < one[1])]
    lasts = [*(begin - 1 for begin, _ in ordered[1:]), (1 << 64) - 1]
    return zip(ordered, lasts)
