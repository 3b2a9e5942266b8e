"""Options that several commands take. Only `argparse` is loaded."""

from __future__ import annotations

import argparse
from typing import Protocol

PROGRAM = "a .mlir program, of any stage, or an .onnx model; - for stdin"


class Commands(Protocol):
    """What argparse gives for adding commands."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:
        """Add one command."""
        ...


def command(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    """Add one command with its line of help."""
    return commands.add_parser(name, help=text, description=text)


def program(parser: argparse.ArgumentParser) -> None:
    """A program, and which of it."""
    parser.add_argument("program", help=PROGRAM)
    program_options(parser)


def program_options(parser: argparse.ArgumentParser) -> None:
    """Which function of a program, and what a model leaves open."""
    parser.add_argument("--function", metavar="NAME", help="the function to take (the first)")
    extents(parser)


def extents(parser: argparse.ArgumentParser) -> None:
    """Extents that a model leaves open."""
    parser.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="NAME=EXTENTS",
        help="shape of an input that the model leaves open, as x=8x3x32x32",
    )
    parser.add_argument(
        "--batch", type=int, help="first extent of the inputs, where the model leaves it open"
    )


def target(parser: argparse.ArgumentParser) -> None:
    """What to compile for, by which schedules."""
    parser.add_argument(
        "--target", default="host", help="as `lowbit targets` lists them, with overrides (host)"
    )
    parser.add_argument(
        "--schedule",
        default="default",
        help="default, model, records, exact, or fields such as 'pixels = 4, vectors = 2' for all (default)",
    )
    parser.add_argument(
        "--ram", type=int, metavar="BYTES", help="of the arena at most, with --schedule exact"
    )


def threads(parser: argparse.ArgumentParser) -> None:
    """Threads that share the work."""
    parser.add_argument(
        "--threads", type=int, default=1, help="share work out to so many, at most one a core (1)"
    )


def passes(parser: argparse.ArgumentParser) -> None:
    """Passes of one's own."""
    parser.add_argument(
        "--passes",
        "-p",
        metavar="PASSES",
        help="passes that run first, as lowbit-opt takes them, those of installed packages too",
    )


def json(parser: argparse.ArgumentParser) -> None:
    """JSON instead of words."""
    parser.add_argument("--json", action="store_true", help="print JSON")
