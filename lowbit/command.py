"""`lowbit`: the command line. Results on stdout, progress and errors on stderr; exit code 0, 1 or 2.

Only `argparse` is loaded until a command is known, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from lowbit import __version__
from lowbit.streams import flushed

_PROGRAM = "a .mlir program, of any stage, or an .onnx model; - for stdin"
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
    _add_bench(commands)
    _add_tune(commands)
    _add_precision(commands)
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


class Commands(Protocol):
    """What argparse gives for adding commands."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:
        """Add one command."""
        ...


def _command(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=text)


def _program(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("program", help=_PROGRAM)
    _program_options(parser)


def _program_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--function", metavar="NAME", help="the function to take (the first)")
    _extents(parser)


def _extents(parser: argparse.ArgumentParser) -> None:
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


def _target(parser: argparse.ArgumentParser) -> None:
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


def _threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=int, default=1, help="share work out to so many, at most one a core (1)"
    )


def _passes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passes",
        "-p",
        metavar="PASSES",
        help="passes that run first, as lowbit-opt takes them, those of installed packages too",
    )


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_compile(commands: Commands) -> None:
    parser = _command(commands, "compile", "Compile a program and show what came of it.")
    _program(parser)
    _target(parser)
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
    _passes(parser)
    parser.add_argument(
        "--print-pipeline",
        action="store_true",
        help="print the passes that remain to the stage of --emit, as lowbit-opt takes them",
    )
    _threads(parser)
    _json(parser)


def _add_run(commands: Commands) -> None:
    parser = _command(commands, "run", "Run a program on arrays.")
    _program(parser)
    _target(parser)
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
    _passes(parser)
    _threads(parser)
    _json(parser)


def _add_bench(commands: Commands) -> None:
    text = "Measure layers, or a program layer by layer, beside the limit of this machine."
    parser = _command(commands, "bench", text)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("program", nargs="?", help=_PROGRAM)
    what.add_argument("--suite", choices=("resnet18", "dense"), help="a list of layers")
    what.add_argument("--conv2d", metavar="'H W IC OC K PAD STRIDE'", help="one convolution")
    what.add_argument("--dense", metavar="'M K N'", help="one product of [M, K] by [K, N]")
    _program_options(parser)
    parser.add_argument("--activation", help="element of activations (uint1)")
    parser.add_argument("--weight", help="element of weights (uint1)")
    parser.add_argument(
        "--output", metavar="CODE", help="cut the sums by thresholds to codes such as uint2, packed"
    )
    _target(parser)
    _threads(parser)
    parser.add_argument("--layer", action="append", help="only this layer of the suite")
    parser.add_argument("--no-check", action="store_true", help="do not compare with the reference")
    parser.add_argument(
        "--peers",
        action="store_true",
        help="time onnxruntime, torch and OpenVINO beside, f32 and int8 (extra `peers`)",
    )
    parser.add_argument(
        "--model",
        action="store_true",
        help="count the instructions of an ARM target and model its cycles, and time nothing (extra `model`)",
    )
    parser.add_argument(
        "--baseline",
        metavar="ELEMENT",
        help="count the same layers on elements such as i16 beside (with --model)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="measure in so many, one after another, for the spread between them; 0: in this one (3)",
    )
    parser.add_argument(
        "--perf-map",
        action="store_true",
        help="write /tmp/perf-PID.map, from which `perf report` names the layers of a program",
    )
    parser.add_argument("--report", metavar="FILE", help="write one HTML page there, too")
    _json(parser)


def _add_tune(commands: Commands) -> None:
    text = "Search for faster schedules of a program's layers; Ctrl-C keeps what was found."
    parser = _command(commands, "tune", text)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("program", nargs="?", help=_PROGRAM)
    what.add_argument("--suite", choices=("resnet18", "dense"), help="a list of layers")
    _program_options(parser)
    parser.add_argument("--activation", help="element of activations of a suite (uint1)")
    parser.add_argument("--weight", help="element of weights of a suite (uint1)")
    parser.add_argument("--layer", action="append", help="only this layer of the suite")
    parser.add_argument("--target", default="host", help="what the code is for (host)")
    _threads(parser)
    parser.add_argument(
        "--trials",
        type=int,
        default=64,
        metavar="N",
        help="candidates a layer, on average: they go where they gain most (64)",
    )
    parser.add_argument(
        "--strategy",
        choices=("guided", "evolutionary", "random", "exhaustive"),
        default="guided",
        help="how candidates are chosen; guided: from the model's first choices on (guided)",
    )
    parser.add_argument(
        "--time-budget", type=float, metavar="SECONDS", help="end after so long at most"
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that compile and measure (as many as cores allow)",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="measure on a Dask cluster, tcp://... (extra `cluster`)",
    )
    parser.add_argument(
        "--runner",
        metavar="RUNNER",
        help="measure on a board: ssh:HOST, or command:COMMAND that has a shell there run its last argument",
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (0)")
    parser.add_argument("--log", metavar="FILE", help="where records go (those of this user)")
    parser.add_argument(
        "--resume", action="store_true", help="try nothing again that the log has of this machine"
    )
    parser.add_argument(
        "--correction",
        action="store_true",
        help="correct the model by what the log has of these layers",
    )
    parser.add_argument(
        "--output", "-o", metavar="FILE", help="write the program with its schedules, as .mlir"
    )
    parser.add_argument("--report", metavar="FILE", help="write one HTML page there, too")
    _json(parser)


def _add_precision(commands: Commands) -> None:
    text = "Find the fastest bits for each layer of a QONNX model within a budget of accuracy."
    parser = _command(commands, "precision", text)
    parser.add_argument("model", help="an .onnx file with Quant nodes of up to 8 bits")
    parser.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="an .npz with `labels`, and inputs one after the other under any other name",
    )
    parser.add_argument(
        "--white",
        type=float,
        default=1.0,
        help="divide inputs by this: 255 for bytes of images (1)",
    )
    parser.add_argument(
        "--budget",
        default="0.5%",
        metavar="SHARE",
        help="of all inputs that may no longer be right, such as 0.5%% or 0.005 (0.5%%)",
    )
    parser.add_argument(
        "--bits", default="2,3,4,8", metavar="LIST", help="bits to choose from (2,3,4,8)"
    )
    parser.add_argument("--target", default="host", help="what times are predicted for (host)")
    parser.add_argument(
        "--output", "-o", metavar="FILE", help="write the program with these bits, as .mlir"
    )
    parser.add_argument("--report", metavar="FILE", help="write one HTML page there, too")
    _json(parser)


def _add_explain(commands: Commands) -> None:
    parser = _command(
        commands,
        "explain",
        "Show how a program is compiled: what fused, ranges, layouts, schedules, IR of each stage.",
    )
    _program(parser)
    _target(parser)
    parser.add_argument(
        "--stage", choices=("source", *STAGES), action="append", help="only the IR of this stage"
    )
    parser.add_argument("--no-ir", action="store_true", help="leave out the IR")
    _json(parser)


def _add_export(commands: Commands) -> None:
    parser = _command(commands, "export", "Write an object file and a C header.")
    _program(parser)
    _target(parser)
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
    _json(parser)


def _add_import(commands: Commands) -> None:
    parser = _command(commands, "import", "Turn a QONNX or ONNX model into a program.")
    parser.add_argument("model", help="an .onnx file")
    _extents(parser)
    parser.add_argument("--output", "-o", metavar="FILE", help="write there, not to stdout")


def _add_targets(commands: Commands) -> None:
    parser = _command(commands, "targets", "List the targets and which of them this machine runs.")
    _json(parser)


def _add_completion(commands: Commands) -> None:
    text = (
        'Print what makes a shell complete commands and options: eval "$(lowbit completion bash)".'
    )
    parser = _command(commands, "completion", text)
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell that reads it")
