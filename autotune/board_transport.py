"""How a board is reached: by ssh, or by any command that has a shell on it run some text.

    Transport.parse("ssh:pi@raspberrypi")
    Transport.parse("command:docker exec -i board sh -c")

The text is one more argument of the command. What it reads comes on the standard input.
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass

_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--")
_END = b"\nlowbit-ended "
"""Before the exit code of what ran on the board: without it the board is out of reach."""
_LONGEST = 300


class BoardError(ValueError):
    """A board is out of reach; the message says why in a sentence."""


@dataclass(frozen=True)
class Done:
    """What a command on the board left."""

    code: int
    """Its exit code: above 128 it died of a signal."""
    output: bytes
    said: tuple[str, ...]
    """The lines of its standard error stream."""


@dataclass(frozen=True)
class Transport:
    """A command that takes text for the shell of a board."""

    command: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Transport:
        """Read `ssh:HOST` or `command:COMMAND`; raises ValueError."""
        kind, _, rest = text.partition(":")
        words = shlex.split(rest) if kind == "command" else [rest.strip()]
        if kind not in ("ssh", "command") or not words or not words[0]:
            raise ValueError(
                "a runner is ssh:HOST, or command:COMMAND for one that has a shell on the board run its last "
                f"argument, not {text!r:.80}"
            )
        return cls((*_SSH, *words) if kind == "ssh" else tuple(words))

    def run(self, text: str, given: bytes = b"", seconds: float = 60.0) -> Done:
        """Have the board's shell run text, with bytes as its input; raises `BoardError`."""
        whole = f"( {text}\n); printf '\\nlowbit-ended %s\\n' $?"
        try:
            done = subprocess.run(
                [*self.command, f"exec sh -c {shlex.quote(whole)}"],
                input=given,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BoardError(f"the board has not answered for {seconds:g} s") from None
        except OSError as error:
            raise BoardError(f"{self.command[0]} does not run: {error.strerror}") from error
        said = tuple(done.stderr.decode("utf-8", "replace").strip().splitlines())
        output, found, code = done.stdout.rpartition(_END)
        if not found or not code.strip().isdigit():
            last = (
                said[-1][:_LONGEST] if said else f"{self.command[0]} ended with {done.returncode}"
            )
            raise BoardError(f"the board is out of reach: {last}")
        return Done(int(code), output, said)
