"""Text of any stage runs as the program does, with passes of one's own between."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

import lowbit
from lowbit.command import main
from lowbit.lowered import Lowered
from lowbit.pipeline import STAGES
from lowbit_dialect.layout import Array

TARGET = "x86-64-v2"


@pytest.fixture(scope="module")
def network() -> lowbit.Program:
    """Weights that are packed, between other inputs; two results, one of codes."""
    program = lowbit.Program()
    x = program.input((1, 4, 4, 8), "uint2", name="x")
    w = program.input((3, 3, 8, 9), "odd1", name="w", constant=True)
    s = program.input((9,), "f32", name="s")
    y = program.requantize(program.conv2d(x, w, padding=1), s)
    z = program.max_pool(x, 2)
    program.output(y, z)
    return program


@pytest.fixture(scope="module")
def arrays() -> list[Array]:
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 4, (1, 4, 4, 8)),
        2 * rng.integers(0, 2, (3, 3, 8, 9)) - 1,
        rng.random(9, np.float32),
    ]


@pytest.fixture(scope="module")
def kernel(network: lowbit.Program) -> lowbit.Kernel:
    return lowbit.compile(network, TARGET)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_runs_from_its_text(
    stage: str, kernel: lowbit.Kernel, arrays: list[Array], network: lowbit.Program
):
    program = lowbit.parse(kernel.ir(stage))
    assert isinstance(program, Lowered) == (stage != "graph")
    assert program.argument_names == ("x", "w", "s") and program.constant_names == ("w",)
    assert program.result_names == network.result_names
    again = lowbit.compile(program, TARGET)
    for got, expected in zip(again(*arrays), kernel(*arrays)):
        assert np.array_equal(got, expected) and got.dtype == expected.dtype
    assert again.ir("llvm") == kernel.ir("llvm")
    if stage != "graph":
        assert [str(one) for _, one in again.schedules] == [str(one) for _, one in kernel.schedules]


def test_tasks_run_from_text_too(network: lowbit.Program, arrays: list[Array]):
    whole = lowbit.compile(network, TARGET, threads=2)
    again = lowbit.compile(lowbit.parse(whole.ir("kernels")), TARGET, threads=2)
    assert again.code.tasks == whole.code.tasks
    assert np.array_equal(again(*arrays)[0], whole(*arrays)[0])


@pytest.mark.parametrize(
    ("stage", "options", "message"),
    [
        ("loops", {"target": "x86-64"}, "the program was lowered for target x86-64-v2, not x86-64"),
        ("plan", {"schedule": "pixels = 1"}, "its schedules are decided: leave out the schedule"),
        ("loops", {"threads": 2}, "the program was lowered for one thread: leave out threads"),
    ],
)
def test_what_is_decided_cannot_be_asked_for(
    stage: str, options: dict[str, object], message: str, kernel: lowbit.Kernel
):
    with pytest.raises(ValueError, match=message):
        lowbit.compile(lowbit.parse(kernel.ir(stage)), **{"target": TARGET, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('lowbit.stage = "loops"', 'lowbit.stage = "loop"', "unknown stage 'loop'"),
        ('lowbit.stage = "loops"', "lowbit.stage = 3 : i64", "does not say how it is called"),
        ("lowbit.target = ", "tool.target = ", "does not say how it is called"),
        ('lowbit.target = "', 'lowbit.target = "no', "unknown target 'nox86-64-v2'"),
        (
            "lowbit.inputs = [",
            "lowbit.inputs = [3, ",
            "'lowbit.inputs' with an entry that is no dic",
        ),
        ('{name = "x", type', '{name = "x", kind', "'lowbit.inputs' is not written {name = "),
        ('{name = "x", type', '{name = "w", type', "'lowbit.inputs' has a name twice"),
        ('{name = "x", type', '{name = "v", type', "nothing gives parameter 'x' of @main"),
        ("tensor<1x4x4x8x", "tensor<1x4x4x9x", "@main takes other arguments than its attributes"),
        ("func.func @main(", "func.func @other(", "nothing gives parameter '.*' of @other"),
        ("lowbit.packed = 0", "lowbit.packed = 9", "nothing gives parameter '.*' of @main"),
        ("lowbit.packed = 0 : i64", "lowbit.packed", "'lowbit.packed' that is no whole number"),
        (
            "lowbit.arena = ",
            "lowbit.arena = 1",
            "which is not the [0-9]* bytes of its 'lowbit.arena'",
        ),
        ("lowbit.out = tensor<1x", "lowbit.out = tensor<2x", "which stores no tensor<2x"),
    ],
)
def test_what_was_changed_by_hand_is_checked(
    old: str, new: str, message: str, kernel: lowbit.Kernel
):
    text = kernel.ir("loops")
    assert old in text
    with pytest.raises(ValueError, match=message):
        lowbit.parse(text.replace(old, new))


@dataclass(frozen=True)
class FailPass(ModulePass):
    """Refuse everything."""

    name = "test-fail"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Fail."""
        raise PassFailedException("there is no such day")


def test_passes_of_ones_own_run_first(network: lowbit.Program, arrays: list[Array]):
    canonical = lowbit.compile(network, TARGET, passes=["canonicalize,lowbit-fuse"])
    assert "epilogue" in str(canonical.program)
    assert "epilogue" not in str(network)
    planned = lowbit.parse(lowbit.compile(network, TARGET).ir("plan"))
    down = lowbit.compile(planned, TARGET, passes=["canonicalize"])
    assert np.array_equal(down(*arrays)[0], canonical(*arrays)[0])
    with pytest.raises(ValueError, match=r"^pass 'test-fail': there is no such day$"):
        lowbit.compile(network, TARGET, passes=[FailPass()])
    with pytest.raises(
        ValueError, match=r"^unknown pass 'canonicalise'; did you mean canonicalize"
    ):
        lowbit.compile(network, TARGET, passes=["canonicalise"])
    with pytest.raises(ValueError, match=r"^unknown pass 'x'; those of lowbit are lowbit-fuse, .*"):
        lowbit.compile(network, TARGET, passes=["x"])
    with pytest.raises(ValueError, match=r"^a pass is 3: expected ModulePass$"):
        lowbit.compile(network, TARGET, passes=[3])  # type: ignore[list-item]


@pytest.fixture
def folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    network: lowbit.Program,
    arrays: list[Array],
) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.mlir").write_text(str(network))
    np.savez("all.npz", **dict(zip("xws", arrays)))  # type: ignore[arg-type]
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_command_line_runs_any_stage(capsys: pytest.CaptureFixture[str]):
    assert main(["run", "net.mlir", "-i", "all.npz"]) == 0
    expected = capsys.readouterr().out
    for stage in ("plan", "llvm"):
        assert main(["compile", "net.mlir", "--emit", stage, "-o", "mid.mlir"]) == 0
        assert main(["run", "mid.mlir", "-i", "all.npz"]) == 0
        assert capsys.readouterr().out == expected
    for command in ("run mid.mlir -i all.npz --reference", "explain", "export", "bench"):
        assert main([*command.split(), *["mid.mlir"] * (" " not in command)]) == 1
        told = "the program is after stage 'llvm': give it as it was before, as written"
        assert told in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_the_pipeline_is_printed_and_replayed(capsys: pytest.CaptureFixture[str]):
    from lowbit.opt import main as opt

    assert main(["compile", "net.mlir", "--emit", "plan", "--target", TARGET, "-o", "a.mlir"]) == 0
    assert main(["compile", "a.mlir", "--emit", "loops", "--target", TARGET, "-o", "b.mlir"]) == 0
    command = ["compile", "a.mlir", "--emit", "loops", "--target", TARGET, "--print-pipeline"]
    assert main(command) == 0
    printed = capsys.readouterr().out.strip()
    assert printed == f'lowbit-bufferize,lowbit-tile{{target="{TARGET}"}}'
    assert opt(["a.mlir", "-p", printed, "-o", "c.mlir"]) == 0
    assert main(["compile", "c.mlir", "--from", "loops", "--target", TARGET]) == 0
    assert "arena" in capsys.readouterr().out
    whole = f"lowbit-plan{{target={TARGET}}},lowbit-pack{{target={TARGET}}},{printed}"
    assert opt(["net.mlir", "-p", whole, "-o", "d.mlir"]) == 0
    assert main(["compile", "d.mlir"]) == 1
    assert "'lowbit.packing', which a pass writes: say after which" in capsys.readouterr().err
    assert main(["compile", "d.mlir", "--from", "loops", "--target", TARGET]) == 0
    assert "input     w: 3x3x8x9 of odd1, packed ahead" in capsys.readouterr().out
    assert main(["compile", "net.mlir", "--from", "loops"]) == 1
    assert "the program does not say how it is called" in capsys.readouterr().err


PLUGIN = '''
from dataclasses import dataclass
from xdsl.passes import ModulePass
from xdsl.universe import Universe

@dataclass(frozen=True)
class CountPass(ModulePass):
    """Note on the module how many ops it has."""
    name = "count-ops"
    def apply(self, ctx, op):
        from xdsl.dialects.builtin import IntegerAttr, i64
        op.attributes["ops"] = IntegerAttr(sum(1 for _ in op.walk()), i64)

UNIVERSE = Universe(all_passes={"count-ops": lambda: CountPass})
'''


def test_a_pass_of_another_package_is_found_by_its_entry_point(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (folder / "counting.py").write_text(PLUGIN)
    told = folder / "counting-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[xdsl.universe]\ncounting = counting:UNIVERSE\n")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    assert main(["compile", "net.mlir", "--passes", "count-ops", "--emit", "graph"]) == 0
    assert "ops = " in capsys.readouterr().out.splitlines()[0]
    assert main(["compile", "net.mlir", "--passes", "count-ops", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"]
    assert main(["compile", "net.mlir", "--passes", "count-opps"]) == 1
    assert "unknown pass 'count-opps'; did you mean count-ops?" in capsys.readouterr().err
