"""`lowbit targets`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from lowbit.commands.command_io import write_json
from lowbit.machines import targets


def run(given: Namespace) -> None:
    """List the targets."""
    known = targets()
    if given.json:
        write_json([asdict(one) for one in known])
        return
    width = max(len(one.name) for one in known)
    for one in known:
        note = "runs here" if one.runs_here else one.why_not
        print(f"{one.name:{width}}  {one.description}; {note}")
