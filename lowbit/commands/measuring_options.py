"""The options of commands that measure or search. Only `argparse` is loaded."""

from __future__ import annotations

from lowbit.commands import options


def add_bench(commands: options.Commands) -> None:
    """`lowbit bench`."""
    text = "Measure layers, or a program layer by layer, beside the limit of this machine."
    parser = options.command(commands, "bench", text)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("program", nargs="?", help=options.PROGRAM)
    what.add_argument("--suite", choices=("resnet18", "dense"), help="a list of layers")
    what.add_argument("--conv2d", metavar="'H W IC OC K PAD STRIDE'", help="one convolution")
    what.add_argument("--dense", metavar="'M K N'", help="one product of [M, K] by [K, N]")
    options.program_options(parser)
    parser.add_argument("--activation", help="element of activations (uint1)")
    parser.add_argument("--weight", help="element of weights (uint1)")
    parser.add_argument(
        "--output", metavar="CODE", help="cut the sums by thresholds to codes such as uint2, packed"
    )
    options.target(parser)
    options.threads(parser)
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
    options.json(parser)


def add_tune(commands: options.Commands) -> None:
    """`lowbit tune`."""
    text = "Search for faster schedules of a program's layers; Ctrl-C keeps what was found."
    parser = options.command(commands, "tune", text)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("program", nargs="?", help=options.PROGRAM)
    what.add_argument("--suite", choices=("resnet18", "dense"), help="a list of layers")
    options.program_options(parser)
    parser.add_argument("--activation", help="element of activations of a suite (uint1)")
    parser.add_argument("--weight", help="element of weights of a suite (uint1)")
    parser.add_argument("--layer", action="append", help="only this layer of the suite")
    parser.add_argument("--target", default="host", help="what the code is for (host)")
    options.threads(parser)
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
    options.json(parser)


def add_precision(commands: options.Commands) -> None:
    """`lowbit precision`."""
    text = "Find the fastest bits for each layer of a QONNX model within a budget of accuracy."
    parser = options.command(commands, "precision", text)
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
    options.json(parser)
