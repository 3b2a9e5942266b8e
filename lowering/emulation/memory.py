"""What emulators of processors call: objects at addresses, functions of these, buffers between pages."""

from __future__ import annotations

from dataclasses import dataclass, field

PAGE = 4096
FILL = b"\xa5"


@dataclass(eq=False)
class Buffer:
    """Some bytes, flush against the unmapped page behind them or before them."""

    held: bytes
    """The contents: before the run what it begins with, after it what the calls left."""
    writable: bool = False
    alignment: int = 64
    side: str = "right"
    overrun: bool = False
    """Whether what is beside it in its pages was written."""
    address: int = 0
    place: int = 0
    """Where its pages lie in what an emulator leaves."""

    @property
    def room(self) -> int:
        """Bytes of its pages."""
        return max(1, -(-len(self.held) // PAGE)) * PAGE

    @property
    def before(self) -> int:
        """Bytes of its pages that lie before it."""
        spare = self.room - len(self.held)
        return spare // self.alignment * self.alignment if self.side == "right" else 0

    def framed(self) -> bytes:
        """Its pages."""
        after = self.room - self.before - len(self.held)
        return FILL * self.before + self.held + FILL * after

    def read(self, image: bytes) -> None:
        """Take from what an emulator leaves the contents."""
        frame = image[self.place : self.place + self.room]
        end = self.before + len(self.held)
        rest = frame[: self.before] + frame[end:]
        self.overrun, self.held = rest != FILL * len(rest), frame[self.before : end]


@dataclass(eq=False)
class Code:
    """An object, linked at an address of its own."""

    image: bytes
    address: int
    symbols: dict[str, int]
    functions: dict[str, int] = field(default_factory=dict[str, int])
    """The symbols that are functions."""


@dataclass(eq=False)
class Call:
    """One call and, after the run, what went wrong with it in a sentence, or nothing."""

    code: Code
    symbol: str
    buffers: tuple[Buffer, ...]
    fault: str = "not run"

    def describe(self, address: int) -> str:
        """Which byte of which argument lies there."""
        for number, buffer in enumerate(self.buffers):
            if -PAGE <= address - buffer.address < len(buffer.held) + PAGE:
                return f"byte {address - buffer.address} of argument {number}, {len(buffer.held)} bytes"
        return f"address {address:#x}"


@dataclass
class Buffers:
    """The buffers of an emulated machine."""

    buffers: list[Buffer] = field(default_factory=list[Buffer], kw_only=True)

    def buffer(
        self, held: bytes, *, writable: bool = False, alignment: int = 64, side: str = "right"
    ) -> Buffer:
        """Add a buffer."""
        self.buffers.append(Buffer(held, writable, alignment, side))
        return self.buffers[-1]
