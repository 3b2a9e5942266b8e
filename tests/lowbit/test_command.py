"""What every command has in common: help, errors in one line, exit codes."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import POOL, PROGRAM

from lowbit.command import main

HELP = """\
usage: lowbit [-h] [--version] COMMAND ...

A compiler for neural networks of one to eight bits.

positional arguments:
  COMMAND
    compile   Compile a program and show what came of it.
    run       Run a program on arrays.
    bench     Measure layers, or a program layer by layer, beside the limit of this machine.
    tune      Search for faster schedules of a program's layers; Ctrl-C keeps what was found.
    precision
              Find the fastest bits for each layer of a QONNX model within a budget of accuracy.
    explain   Show how a program is compiled: what fused, ranges, layouts, schedules, IR of each
              stage.
    export    Write an object file and a C header.
    import    Turn a QONNX or ONNX model into a program.
    targets   List the targets and which of them this machine runs.
    completion
              Print what makes a shell complete commands and options: eval "$(lowbit completion
              bash)".

options:
  -h, --help  show this help message and exit
  --version   print the version
"""


def test_help_in_full(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == HELP


def test_the_module_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["lowbit", "--version"])
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_module("lowbit", run_name="__main__")


@pytest.mark.usefixtures("folder")
class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("compile none.mlir", "none.mlir: No such file or directory"),
            ("compile .", ".: a program is a .mlir or an .onnx file"),
            (
                "compile net.mlir --emit llvm --json",
                "--json describes the interface: leave it out with",
            ),
            ("compile net.mlir --function f", "net.mlir has no function @f to pick: it has @net"),
            (
                "compile pinned.mlir --schedule pixels=2",
                "schedule 'pixels = 2' changes nothing, as every",
            ),
            (
                "compile pool.mlir --schedule pixels=2",
                "schedule 'pixels = 2' changes nothing, as no op",
            ),
            (
                "compile net.mlir --target x86-64-v4-vpopcntdq --schedule tables=strips",
                "tables = strips changes nothing, as no op looks sums up in tables of several rows but runs ",
            ),
            (
                "run net.mlir -i all.npz --reference --threads 2",
                "--reference runs no kernel: leave out ",
            ),
            (
                "explain net.mlir --stage plan --no-ir",
                "--no-ir leaves out all that --stage asks for",
            ),
            (
                "compile net.mlir --print-pipeline --json",
                "--print-pipeline prints passes alone: leave",
            ),
            ("run - -i -", "stdin is read once: one of the program and the inputs can be -"),
            (
                "run saved.lbk --schedule pixels=1",
                "saved.lbk is compiled already: leave out --target, ",
            ),
            (
                "run saved.lbk --reference",
                "--reference is for programs: saved.lbk is compiled already",
            ),
            ("run none.lbk", "none.lbk: No such file or directory"),
            ("compile net.txt", "net.txt: a program is a .mlir or an .onnx file"),
            ("compile net.mlir --target zx81", "unknown target 'zx81'"),
            ("compile net.mlir --target x86-64,+neon", "unknown feature 'neon'"),
            ("compile net.mlir --schedule best", "unknown schedule 'best': expected"),
            ("compile net.mlir --ram 4096", "ram is for schedule='exact', not 'default'"),
            ("compile net.mlir --schedule pixels=x", "pixels is a number from 1 to 1024, not 'x'"),
            ("compile net.mlir --schedule pixel=1", "a schedule has no 'pixel': it has "),
            ("compile net.mlir --emit loops -o /none/x", "/none/x: No such file or directory"),
            ("run net.mlir", "input 'x' is missing: give --input x=FILE.npy for each of x, w, s"),
            ("run net.mlir -i v=x.npy", "'v=x.npy' names no input: the program takes x, w, s"),
            ("run net.mlir -i none.npy", "none.npy: No such file or directory"),
            ("run net.mlir -i net.mlir", "net.mlir: no readable .npy or .npz file: "),
            ("run net.mlir -i bad.npy", "bad.npy: no readable .npy or .npz file: "),
            ("run net.mlir -i torn.npy", "torn.npy: no readable .npy or .npz file: "),
            ("run net.mlir -i pickled.npy", "pickled.npy: no readable .npy or .npz file: "),
            ("run net.mlir -i w.npy", "input 'w' is missing"),
            (
                "run net.mlir -i x=w.npy -i w=w.npy -i s.npy",
                "argument 'x' has shape 3x3x8x9, but the program takes 1x5x5x8",
            ),
            ("run net.mlir -i all.npz -o out.txt", "out.txt: results go to an .npz file"),
            ("bench --conv2d 1,2,3", "'1,2,3' is no convolution: expected seven numbers"),
            ("bench --conv2d 4,4,8,8,5,0,1", "'lowbit.conv2d': the output is empty"),
            ("bench --dense 1,2", "'1,2' is no dense layer: expected three numbers, M K N"),
            ("bench --dense 1,0,2", "a shape of 1x0: every extent is at least 1"),
            ("bench --dense 1,2,3 --layer C2", "--layer picks layers of a --suite"),
            ("bench --dense 1,2,3 --output i8", "an output is a code such as uint1, not i8"),
            (
                "bench net.mlir --weight i8",
                "--weight is for layers: a program has its own, so leave",
            ),
            (
                "bench --dense 1,2,3 --perf-map",
                "--perf-map is for a program: leave it out for single",
            ),
            ("bench --dense 1,2,3 --batch 2", "--batch is for a program: leave it out for single"),
            ("bench net.mlir --threads 2", "a program is timed by layers on one thread: leave out"),
            ("bench net.mlir --processes -1", "--processes is 0, for none but this one, or more"),
            ("bench --dense 1,2,3 --report /none/x", "/none/x: No such file or directory"),
            (
                "bench --dense 1,2,3 --activation f32 --weight f32 --output uint1",
                "thresholds to uint1 cut integers, not f32",
            ),
            ("bench --suite resnet18 --weight uint9", "unknown element 'uint9'"),
            (
                "bench --suite resnet18 --threads 0",
                "threads is a whole number of at least 1, not 0",
            ),
            ("bench --suite resnet18 --layer C1", "resnet18 has no layer 'C1': it has C2, "),
            ("export net.mlir --name 1x", "'1x' is no name of a C function"),
            ("export net.mlir -d net.mlir", "net.mlir: File exists"),
            ("import net.mlir", "net.mlir: the file is "),
            ("import none.onnx", "none.onnx: it is no file"),
        ],
    )
    def test_one_line_and_1(
        self, arguments: str, message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # A header that ends within its brackets.
        Path("torn.npy").write_bytes(Path("x.npy").read_bytes().replace(b"), }", b"    "))
        pinned = PROGRAM.replace("{padding", "{schedule = #lowbit.schedule<pixels = 1>, padding")
        Path("pinned.mlir").write_text(pinned)
        Path("pool.mlir").write_text(POOL)
        Path("bad.npy").write_bytes(Path("x.npy").read_bytes()[:150])
        np.save("pickled.npy", np.array([print], object), allow_pickle=True)
        assert main(arguments.split()) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"lowbit: error: {message}")
        assert captured.err.count("\n") == 1
        assert "internal" not in captured.err

    @pytest.mark.parametrize(
        "arguments",
        ["", "fly", "compile", "compile a b", "bench", "compile a --emit pdf", "bench --suite vgg"],
    )
    def test_a_wrong_command_line_is_2(
        self, arguments: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(arguments.split()) == 2
        assert capsys.readouterr().err.startswith("usage: lowbit")

    def test_help_is_0(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--version"]) == 0
        assert capsys.readouterr().out.startswith("lowbit ")
        assert main(["--help"]) == 0
        assert "COMMAND" in capsys.readouterr().out

    def test_too_little_memory_is_no_defect(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr("lowbit.commands.compile_command.load_program", fail)
        assert main(["compile", "net.mlir"]) == 1
        assert capsys.readouterr().err == (
            "lowbit: error: the program takes more memory than there is\n"
        )

    def test_an_interrupt_while_modules_load(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def stop(name: str) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("lowbit.command.import_module", stop)
        assert main(["targets"]) == 130

    @pytest.mark.parametrize("arguments", ["--version", "targets", "compile net.mlir"])
    def test_a_full_disk_is_told_once(self, arguments: str) -> None:
        script = "import sys; from lowbit.command import main; sys.exit(main(sys.argv[1:]))"
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-c", script, *arguments.split()],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "", "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        assert done.returncode == 1
        assert done.stderr == "lowbit: error: [Errno 28] No space left on device\n"

    def test_a_closed_stdout_takes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdout", None)
        assert main(["compile", "net.mlir", "--emit", "graph"]) == 0

    def test_a_defect_of_ours_is_one_line_too(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise KeyError("lost")

        monkeypatch.setattr("lowbit.commands.compile_command.load_program", fail)
        assert main(["compile", "net.mlir"]) == 1
        assert capsys.readouterr().err == (
            "lowbit: error: internal error, please report: KeyError: 'lost'\n"
        )
