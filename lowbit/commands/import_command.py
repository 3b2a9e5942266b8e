"""`lowbit import`."""

from __future__ import annotations

from argparse import Namespace

from lowbit.commands.command_io import read_shape, write_text
from lowbit.constructors import import_model


def run(given: Namespace) -> None:
    """Print a model as a program."""
    shapes = dict(map(read_shape, given.shape))
    write_text(str(import_model(given.model, shapes, given.batch)), given.output)
