"""`lowbit`: the command line. Results on stdout, progress and errors on stderr; exit code 0, 1 or 2.

Only `argparse` is loaded until a command is known, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from lowbit import __version__
from lowbit.commands import options
from lowbit.commands.measuring_options import add_bench, add_precision, add_tune
from lowbit.streams import flushed

STAGES = ("graph", "plan", "buffers", "loops", "kernels", "llvm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command: 0 on success, 1 for bad input (one line on stderr), 2 for a wrong command line."""
    return flushed("lowbit", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        given = build_parser().parse_args(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    from lowbit.errors import report

    command = import_module(f"lowbit.commands.{given.command}_command")
    return report("lowbit", lambda: command.run(given))


def build_parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    parser = argparse.ArgumentParser(
        prog="lowbit", description="A compiler for neural networks of one to eight bits."
    )
    parser.add_argument("--version", action=VersionAction, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_compile(commands)
    _add_run(commands)
    add_bench(commands)
    add_tune(commands)
    add_precision(commands)
    _add_explain(commands)
    _add_export(commands)
    _add_import(commands)
    _add_targets(commands)
    _add_completion(commands)
    return parser


class VersionAction(argparse.Action):
    """Print the version."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"lowbit {__version__}")
        parser.exit()


def _add_compile(commands: options.Commands) -> None:
    parser = options.command(commands, "compile", "Compile a program and show what came of it.")
    options.program(parser)
    options.target(parser)
    parser.add_argument(
        "--emit",
        choices=("summary", *STAGES, "assembly"),
        default="summary",
        help="what to print: the interface, the IR after a stage, or assembly (summary)",
    )
    parser.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        help="write there, not to stdout; to NAME.lbk the kernel itself",
    )
    parser.add_argument("--verify-each", action="store_true", help="verify after every pass")
    parser.add_argument(
        "--from",
        dest="reached",
        choices=STAGES[1:],
        help="the stage that IR has reached, where other tools took it on (as it says itself)",
    )
    options.passes(parser)
    parser.add_argument(
        "--print-pipeline",
        action="store_true",
        help="print the passes that remain to the stage of --emit, as lowbit-opt takes them",
    )
    options.threads(parser)
    options.json(parser)


def _add_run(commands: options.Commands) -> None:
    parser = options.command(commands, "run", "Run a program on arrays.")
    options.program(parser)
    options.target(parser)
    parser.add_argument(
        "--input",
        "-i",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="a .npy file for the next input or the one named, or an .npz with arrays by name; - for "
        "stdin",
    )
    parser.add_argument("--output", "-o", metavar="FILE", help="write the results to an .npz file")
    parser.add_argument(
        "--reference", action="store_true", help="compute by the NumPy reference, not by a kernel"
    )
    parser.add_argument(
        "--profile", action="store_true", help="time the program on these arrays, by layers"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="compare results and layers with the reference, and name the first op that is wrong",
    )
    options.passes(parser)
    options.threads(parser)
    options.json(parser)


def _add_explain(commands: options.Commands) -> None:
    parser = options.command(
        commands,
        "explain",
        "Show how a program is compiled: what fused, ranges, layouts, schedules, IR of each stage.",
    )
    options.program(parser)
    options.target(parser)
    parser.add_argument(
        "--stage", choices=("source", *STAGES), action="append", help="only the IR of this stage"
    )
    parser.add_argument("--no-ir", action="store_true", help="leave out the IR")
    options.json(parser)


def _add_export(commands: options.Commands) -> None:
    parser = options.command(commands, "export", "Write an object file and a C header.")
    options.program(parser)
    options.target(parser)
    parser.add_argument("--directory", "-d", default=".", help="where to (the current directory)")
    parser.add_argument("--name", help="name of the C function (that of the program's function)")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write NAME_supported() into the header, which asks the processor for what the code uses",
    )
    parser.add_argument(
        "--layers",
        action="store_true",
        help="make each layer a function of its own, which debuggers and profilers can name",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="declare the tasks that work for so many threads of the caller's is made of (1)",
    )
    options.json(parser)


def _add_import(commands: options.Commands) -> None:
    parser = options.command(commands, "import", "Turn a QONNX or ONNX model into a program.")
    parser.add_argument("model", help="an .onnx file")
    options.extents(parser)
    parser.add_argument("--output", "-o", metavar="FILE", help="write there, not to stdout")


def _add_targets(commands: options.Commands) -> None:
    parser = options.command(
        commands, "targets", "List the targets and which of them this machine runs."
    )
    options.json(parser)


def _add_completion(commands: options.Commands) -> None:
    text = (
        'Print what makes a shell complete commands and options: eval "$(lowbit completion bash)".'
    )
    parser = options.command(commands, "completion", text)
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell that reads it")
