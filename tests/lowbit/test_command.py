import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest

import lowbit
from autotune.rates import Rates
from lowbit.bench import peers, timing
from lowbit.command import main
from lowbit.commands import command_io

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits_w2a2.onnx"
PROGRAM = """
func.func @net(%x: tensor<1x5x5x8x!lowbit.uint<2>>, %w: tensor<3x3x8x9x!lowbit.odd<1>> {lowbit.constant},
               %s: tensor<9xf32>) -> (tensor<1x5x5x9xf32>, tensor<1x2x2x8x!lowbit.uint<2>>) {
  %y = lowbit.conv2d %x, %w {padding = array<i64: 1, 1, 1, 1>}
    : tensor<1x5x5x8x!lowbit.uint<2>>, tensor<3x3x8x9x!lowbit.odd<1>> -> tensor<1x5x5x9xi32>
  %z = lowbit.requantize %y, %s : tensor<1x5x5x9xi32>, tensor<9xf32> -> tensor<1x5x5x9xf32>
  %m = lowbit.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>}
    : tensor<1x5x5x8x!lowbit.uint<2>> -> tensor<1x2x2x8x!lowbit.uint<2>>
  func.return %z, %m : tensor<1x5x5x9xf32>, tensor<1x2x2x8x!lowbit.uint<2>>
}
"""


POOL = """
func.func @pool(%x: tensor<1x4x4x8xi32>) -> tensor<1x2x2x8xi32> {
  %m = lowbit.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>}
    : tensor<1x4x4x8xi32> -> tensor<1x2x2x8xi32>
  func.return %m : tensor<1x2x2x8xi32>
}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("net.mlir").write_text(PROGRAM)
    np.save("x.npy", rng.integers(0, 4, (1, 5, 5, 8)))
    np.save("w.npy", 2 * rng.integers(0, 2, (3, 3, 8, 9)) - 1)
    np.save("s.npy", rng.random(9, np.float32))
    np.savez("all.npz", **{name: np.load(f"{name}.npy") for name in "xws"})
    return tmp_path


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0, capsys.readouterr().err
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sample of each rate of the machine stands for its median, and few make a time."""
    monkeypatch.setattr(Rates, "median", Rates.sample)
    monkeypatch.setattr(timing, "ROUNDS", 2)


@pytest.mark.usefixtures("folder", "quick")
class TestResults:
    def test_compile(self, capsys: pytest.CaptureFixture[str]) -> None:
        text = output(capsys, "compile", "net.mlir", "--target", "x86-64-v2")
        assert "input     w: 3x3x8x9 of odd1, packed ahead" in text
        assert "output    m: 1x2x2x8 of uint2" in text
        told = json.loads(output(capsys, "compile", "net.mlir", "--json"))
        assert [one["name"] for one in told["inputs"]] == ["x", "w", "s"]
        assert told["schedules"][0]["schedule"].startswith("algorithm = direct")

    def test_compile_emits_any_stage(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "lowbit.tile" in output(capsys, "compile", "net.mlir", "--emit", "loops")
        output(capsys, "compile", "net.mlir", "--emit", "assembly", "-o", "net.s")
        assert "net_pack:" in Path("net.s").read_text()

    def test_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        program = lowbit.parse(Path("net.mlir"))
        expected = lowbit.reference(program, *(np.load(f"{name}.npy") for name in "xws"))
        named = ("-i", "s=s.npy", "-i", "w=w.npy", "-i", "x=x.npy")
        for given in (named, ("-i", "x.npy", "-i", "w.npy", "-i", "s.npy"), ("-i", "all.npz")):
            output(capsys, "run", "net.mlir", *given, "-o", "out.npz")
            with np.load("out.npz") as results:
                assert list(results) == ["z", "m"]
                assert np.allclose(results["z"], expected[0], rtol=1e-5)
                assert np.array_equal(results["m"], expected[1])
        text = output(capsys, "run", "net.mlir", "-i", "all.npz", "--reference")
        assert text.splitlines()[1].startswith("m: [1, 2, 2, 8] uint8, first [")
        told = json.loads(output(capsys, "run", "net.mlir", "-i", "all.npz", "--json"))
        assert [one["name"] for one in told["results"]] == ["z", "m"]

    def test_explain(self, capsys: pytest.CaptureFixture[str]) -> None:
        text = output(capsys, "explain", "net.mlir", "--no-ir", "--target", "x86-64-v3")
        assert "conv2d %z\n  fused        requantize\n" in text
        assert "accumulator  -216..216 from the types (72 products)" in text
        assert "  weights      3x3x8x9 of odd1 as [d3 by " in text
        limit = "0.04401 us, set by binary: 22.81 multiply-adds a byte, 1067 bytes in L1"
        assert f"  limit        {limit}" in text.splitlines()
        told = json.loads(output(capsys, "explain", "net.mlir", "--json"))
        stages = ["source", "graph", "plan", "buffers", "loops", "kernels", "llvm"]
        assert list(told["stages"]) == stages
        assert "memref" in output(capsys, "explain", "net.mlir", "--stage", "buffers")

    def test_explain_says_why_an_op_stands_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        program = lowbit.Program()
        x, other = (program.input((2, 8), "uint2", name=name) for name in ("x", "other"))
        y = program.dense(x, program.input((8, 8), "odd1", name="w"))
        clipped = program.clip(y, 0)
        program.output(y, clipped, program.add(x, other), program.clip(program.add(x, other), 0))
        Path("alone.mlir").write_text(str(program))
        text = output(capsys, "explain", "alone.mlir", "--no-ir")
        assert "stands alone: the result of dense has other users as well" in text
        assert "add stands alone: its input is an argument" in text
        assert "stands alone: its input comes from add, which has no epilogue" in text

    def test_one_function_of_several(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("two.mlir").write_text(POOL + POOL.replace("@pool", "@again"))
        assert main(["compile", "two.mlir", "--emit", "graph"]) == 0
        captured = capsys.readouterr()
        told = "two.mlir has the functions @pool, @again: @pool runs, --function picks another"
        assert captured.err == f"lowbit: {told}\n"
        assert "@again" in captured.out
        text = output(capsys, "compile", "two.mlir", "--function", "again", "--emit", "graph")
        assert "@again" in text and "@pool" not in text

    def test_fewer_threads_than_asked_for_are_told(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path("pool.mlir").write_text(POOL)
        assert main(["compile", "pool.mlir", "--threads", "100"]) == 0
        captured = capsys.readouterr()
        assert captured.err.startswith("lowbit: 1 of 100 threads take part: ")
        assert "threads   1" in captured.out

    def test_stdin(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def feed(data: bytes) -> None:
            monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(data)))

        feed(PROGRAM.encode())
        expected = output(capsys, "run", "-", "-i", "all.npz")
        feed(Path("all.npz").read_bytes())
        assert output(capsys, "run", "net.mlir", "-i", "-") == expected
        feed(Path("x.npy").read_bytes())
        files = ("-i", "x=-", "-i", "w.npy", "-i", "s.npy")
        assert output(capsys, "run", "net.mlir", *files) == expected
        feed(DIGITS.read_bytes())
        assert "input     input: 1x1x8x8 of f32" in output(capsys, "compile", "-")

    def test_a_saved_kernel_runs(self, capsys: pytest.CaptureFixture[str]) -> None:
        expected = output(capsys, "run", "net.mlir", "-i", "all.npz")
        assert "arena" in output(capsys, "compile", "net.mlir", "-o", "net.lbk")
        assert output(capsys, "run", "net.lbk", "-i", "all.npz") == expected

    @pytest.mark.parametrize("shell", ["bash", "zsh"])
    def test_completion(self, shell: str, capsys: pytest.CaptureFixture[str]) -> None:
        text = output(capsys, "completion", shell)
        assert '"compile --emit") words="summary graph plan' in text
        assert (
            '*) words="compile run bench tune explain export import targets completion" ;;' in text
        )

    @pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
    def test_bash_completes(self, capsys: pytest.CaptureFixture[str]) -> None:
        script = output(capsys, "completion", "bash")
        tried = "COMP_WORDS=(lowbit {0}); COMP_CWORD={1}; _lowbit lowbit {2} {3}; echo ${{COMPREPLY[@]}}"
        script += "\n" + tried.format("com", 1, "com", "lowbit")
        script += "\n" + tried.format("bench --su", 2, "--su", "bench")
        script += "\n" + tried.format("bench --suite d", 3, "d", "--suite")
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == ["compile completion", "--suite", "dense"]

    def test_the_module_is_the_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["lowbit", "--version"])
        with pytest.raises(SystemExit, match=r"^0$"):
            runpy.run_module("lowbit", run_name="__main__")

    def test_export(self, capsys: pytest.CaptureFixture[str]) -> None:
        told = json.loads(output(capsys, "export", "net.mlir", "-d", "build", "--json"))
        assert told["symbols"] == ["net_pack", "net"]
        assert Path(told["object"]).read_bytes().startswith(b"\x7fELF")
        text = output(capsys, "export", "net.mlir", "--name", "other", "--target", "x86-64")
        assert text.split() == ["other.o", "other.h"]

    def test_targets(self, capsys: pytest.CaptureFixture[str]) -> None:
        text = output(capsys, "targets")
        assert "x86-64-v4-vpopcntdq" in text
        told = json.loads(output(capsys, "targets", "--json"))
        assert {"name", "description", "runs_here", "why_not"} == set(told[0])

    def test_bench(self, capsys: pytest.CaptureFixture[str]) -> None:
        layer = ("--conv2d", "6 6 8 8 3 1 1", "--activation", "uint2", "--weight", "ternary")
        told = json.loads(output(capsys, "bench", *layer, "--processes", "0", "--json"))
        (result,) = told["results"]
        assert list(result) == [
            "layer",
            "op",
            "shape",
            "activation",
            "weight",
            "schedule",
            "threads",
            "macs",
            "time_us",
            "time_with_packing_us",
            "spread_us",
            "runs_us",
            "limit_us",
            "output",
            "window",
            "limited_by",
            "family",
            "work",
            "peers",
        ]
        assert result["macs"] == (6 * 3 - 2) ** 2 * 8 * 8
        assert {"cpu", "target", "lowbit", "binary_gmacs_per_s"} <= set(told["machine"])
        assert {"L1 read", "memory write"} <= set(told["machine"]["gb_per_s"])
        layer = ("--conv2d", "4 4 8 8 1 0 1", "--activation", "i8", "--weight", "i8")
        table = output(capsys, "bench", *layer, "--processes", "0")
        assert table.splitlines()[3].startswith("conv2d")
        assert "GMAC/s: " in table.splitlines()[1]

    def test_bench_writes_a_page(self, capsys: pytest.CaptureFixture[str]) -> None:
        layer = (
            "--dense",
            "2 64 32",
            "--output",
            "uint2",
            "--report",
            "page.html",
            "--processes",
            "0",
        )
        output(capsys, "bench", *layer)
        assert "uint1 x uint1 to uint2" in Path("page.html").read_text()

    def test_bench_beside_peers(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def copied(task: peers.Task) -> tuple[peers.Call, peers.Fetch]:
            return task.x.copy, lambda x: x

        def missing(task: peers.Task) -> tuple[peers.Call, peers.Fetch]:
            raise ImportError("No module named 'abacus'", name="abacus")

        systems = [
            peers.System("copier", "numpy", "f32", copied),
            peers.System("beads", "abacus", "f32", missing),
            peers.System("beads", "abacus", "i8", missing),
            peers.System("broken", "numpy", "i8", lambda task: 1 // 0),  # type: ignore[arg-type]
        ]
        monkeypatch.setattr(peers, "SYSTEMS", tuple(systems))
        assert main(["bench", "--dense", "2 64 32", "--peers", "--processes", "0"]) == 0
        captured = capsys.readouterr()
        assert captured.err.splitlines() == [
            "abacus is skipped: abacus is not installed",
            "broken i8 is skipped on dense: integer division or modulo by zero",
        ]
        assert "fastest f32" in captured.out and "copier" in captured.out


HELP = """\
usage: lowbit [-h] [--version] COMMAND ...

A compiler for neural networks of one to eight bits.

positional arguments:
  COMMAND
    compile   Compile a program and show what came of it.
    run       Run a program on arrays.
    bench     Measure layers, or a program layer by layer, beside the limit of this machine.
    tune      Search for faster schedules of a program's layers; Ctrl-C keeps what was found.
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
            ("compile net.mlir --schedule exact", "schedule='exact' is not available yet"),
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

    def test_a_failed_check_of_bits_is_told(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "lowbit.bench.benchmark.reference", lambda program, *arrays: np.int32([[0]])
        )
        assert main(["bench", "--conv2d", "4 4 8 8 1 0 1", "--processes", "0"]) == 1
        assert "layer conv2d (uint1 x uint1): its shape is" in capsys.readouterr().err

    def test_an_empty_layer_is_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bench", "--conv2d", ""]) == 1
        assert "'' is no convolution: expected seven" in capsys.readouterr().err

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


def test_a_bar_appears_on_a_terminal_after_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(command_io, "PATIENCE", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with command_io.progress("thinking") as advance:
        for done in range(50):
            advance(done, 50)
            time.sleep(0.005)
    captured = capsys.readouterr()
    assert "thinking" in captured.err
    assert captured.out == ""
