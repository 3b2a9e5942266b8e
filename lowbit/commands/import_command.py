"""`lowbit import`."""

from __future__ import annotations

from argparse import Namespace

from lowbit.commands.inputs import write_text
from lowbit.single import import_model


def run(given: Namespace) -> None:
    """Print a model as a program."""
    write_text(str(import_model(given.model)), given.output)
