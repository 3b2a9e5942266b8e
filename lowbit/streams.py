"""Standard output to its end, of commands that have not loaded anything yet as well."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress


def flushed(tool: str, body: Callable[[], int]) -> int:
    """Run a command to its exit code and flush stdout; what stdout refuses prints one line and gives 1."""
    code = 0
    try:
        code = body()
        print(end="", flush=True)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        with suppress(OSError):
            sys.stdout.close()  # or the interpreter tries once more at exit, and complains
        if not (code or isinstance(error, BrokenPipeError)):
            print(f"{tool}: error: {error}", file=sys.stderr)
        return 1
    return code
