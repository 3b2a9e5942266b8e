"""`lowbit export`."""

from __future__ import annotations

from argparse import Namespace

from lowbit.commands.command_io import load_program, progress, schedule_of, write_json
from lowbit.objects import export


def run(given: Namespace) -> None:
    """Write an object, a library of it and a header."""
    program, schedule = load_program(given), schedule_of(given)
    with progress("compiling"):
        exported = export(
            program,
            given.target,
            given.directory,
            name=given.name,
            schedule=schedule,
            check=given.check,
            layers=given.layers,
            threads=given.threads,
        )
    if given.json:
        write_json(
            {
                "object": str(exported.object),
                "archive": str(exported.archive),
                "header": str(exported.header),
                "symbols": exported.symbols,
                "arena_bytes": exported.arena_bytes,
                "text_bytes": exported.text_bytes,
                "constant_bytes": exported.constant_bytes,
            }
        )
        return
    for path in (exported.object, exported.archive, exported.header):
        print(path)
    print(f"code       {exported.text_bytes:>10} bytes")
    print(f"constants  {exported.constant_bytes:>10} bytes")
    print(f"arena      {exported.arena_bytes:>10} bytes a call")
