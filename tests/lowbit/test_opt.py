import subprocess
import sys
from pathlib import Path

import pytest

import lowbit
from lowbit import pipeline
from lowbit.opt import main

CLI = Path(__file__).parents[1] / "filecheck" / "cli"
PROGRAM = """
func.func @main(%x: tensor<2x33x!lowbit.uint<2>>, %w: tensor<33x9x!lowbit.ternary> {lowbit.constant})
    -> tensor<2x9xi32> {
  %y = lowbit.dense %x, %w
    : tensor<2x33x!lowbit.uint<2>>, tensor<33x9x!lowbit.ternary> -> tensor<2x9xi32>
  func.return %y : tensor<2x9xi32>
}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.mlir"
    path.write_text(PROGRAM)
    return path


def test_lit() -> None:
    command = [sys.executable, "-m", "lit.main", "-q", str(CLI)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_pipeline_replays(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = "x86-64-v3,cpu=haswell"
    for stage in pipeline.STAGES:
        assert main([str(program), "-p", pipeline.spec(target, until=stage)]) == 0
        replayed = capsys.readouterr().out
        module = pipeline.lower(lowbit.parse(program).module, target, until=stage)
        assert replayed.strip() == str(module).strip()


def test_lowering_leaves_the_program_alone(program: Path) -> None:
    parsed = lowbit.parse(program)
    before = str(parsed)
    pipeline.lower(parsed.module, verify_each=True)
    assert str(parsed) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "lowbit-fuze"], "unknown pass 'lowbit-fuze'; did you mean lowbit-fuse?"),
        (["-p", "lowbit-plan{"], "cannot read the pipeline: Expected argument name here"),
        (["-p", "lowbit-plan{target=zx81}"], "unknown target 'zx81'"),
        (["-p", "lowbit-plan{source=guess}"], "pass 'lowbit-plan': Incompatible types: "),
        (["-p", "lowbit-plan{ram=9}"], "ram = 9 is for source=exact, not default"),
        (["-p", "lowbit-plan{tgt=host}"], "pass 'lowbit-plan': Provided arguments [\"tgt\"]"),
        (["-p", "lowbit-expand-microkernels{target=x86-64,+neon}"], "cannot read the pipeline: "),
        (["-p", 'lowbit-tile{target="x86-64,+neon"}'], "unknown feature 'neon'"),
    ],
)
def test_wrong_pipelines(
    program: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(program), *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"lowbit-opt: error: {message}")
    assert captured.err.count("\n") == 1


def test_a_wrong_command_line_is_2(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--frobnicate"], [str(program), "-t", "pdf"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("right", "wrong"), [("dense", "dens"), ("33x9x", "34x9x")])
def test_parts_of_a_file_count_its_lines(
    right: str, wrong: str, program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program.write_text(f"{PROGRAM}// -----\n{PROGRAM.replace(right, wrong)}")
    assert main([str(program), "--split-input-file"]) == 1
    message, line, caret = capsys.readouterr().err.splitlines()
    assert message.startswith(f"lowbit-opt: error: {program}:12:8: ")
    assert line.startswith("  %y = lowbit.dens") and caret == "       ^"


def test_sums_bounded_by_weights_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From text without a range, which the types alone would refuse."""
    path = tmp_path / "bounded.mlir"
    path.write_text("""
func.func @main(%x: tensor<1x3x3x64xi16>) -> tensor<1x1x1x4xi32> {
  %w = lowbit.constant dense<3> : tensor<3x3x64x4xi8> -> tensor<3x3x64x4xi8>
  %y = lowbit.conv2d %x, %w : tensor<1x3x3x64xi16>, tensor<3x3x64x4xi8> -> tensor<1x1x1x4xi32>
  func.return %y : tensor<1x1x1x4xi32>
}""")
    for stage in pipeline.STAGES:
        assert main([str(path), "-p", pipeline.spec("x86-64-v3", until=stage)]) == 0
        module = pipeline.lower(lowbit.parse(path).module, "x86-64-v3", until=stage)
        assert capsys.readouterr().out.strip() == str(module)


def test_an_op_that_a_pass_leaves_wrong_is_named(
    program: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lowering.lowbit_fuse import LowbitFusePass

    def break_it(self: object, context: object, module: object) -> None:
        from xdsl.dialects.builtin import ModuleOp

        assert isinstance(module, ModuleOp)
        for op in module.walk():
            if op.name == "lowbit.dense":
                op.operands = [op.operands[0], op.operands[0]]

    monkeypatch.setattr(LowbitFusePass, "apply", break_it)
    assert main([str(program), "-p", "lowbit-fuse"]) == 1
    assert capsys.readouterr().err == (
        f"lowbit-opt: error: {program}:4:8: 'lowbit.dense': an input of 33 columns does not fit weights "
        "of 2 rows\n  %y = lowbit.dense %x, %w\n       ^\n"
    )
