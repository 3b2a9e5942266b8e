"""`lowbit export`."""

from __future__ import annotations

from argparse import Namespace

from lowbit.commands.command_io import load_program, progress, read_schedule, write_json
from lowbit.objects import export


def run(given: Namespace) -> None:
    """Write an object and a header."""
    program, schedule = load_program(given), read_schedule(given.schedule)
    with progress("compiling"):
        exported = export(
            program,
            given.target,
            given.directory,
            name=given.name,
            schedule=schedule,
            check=given.check,
            layers=given.layers,
        )
    if given.json:
        write_json(
            {
                "object": str(exported.object),
                "header": str(exported.header),
                "symbols": exported.symbols,
                "arena_bytes": exported.arena_bytes,
            }
        )
        return
    print(exported.object)
    print(exported.header)
