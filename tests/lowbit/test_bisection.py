"""`run --check` names the first op whose code is wrong; what is wrong here is a weight that is changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from command_line import output

import lowbit
from lowbit import bisection
from lowbit.command import main
from lowbit.kernel import Kernel
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import element_of
from lowbit_dialect.ops.constant import ConstantOp

LAYERS = 5


def chain() -> lowbit.Program:
    """Layers that do not lose what is wrong in one of them."""
    rng = np.random.default_rng(0)
    program = lowbit.Program()
    x = program.input((4, 16), "int8", name="x")
    for index in range(LAYERS):
        weights = program.constant(rng.integers(-2, 2, (16, 16)), "int2")
        sums = program.dense(x, weights)
        scale = program.constant(np.array([0.2], np.float32), "f32")
        x = program.requantize(sums, scale, "int8")
        x.name_hint = f"layer{index}"
    program.output(x)
    return program


def images() -> Array:
    return np.random.default_rng(1).integers(-128, 128, (4, 16)).astype(np.int8)


@pytest.mark.parametrize("wrong", [0, 2, 4])
def test_the_first_wrong_op_is_named(wrong: int, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = lowbit.compile

    def miscompile(program: lowbit.Program, *given: Any) -> Kernel:
        changed = lowbit.parse(str(program))
        constants = [op for op in changed.module.walk() if isinstance(op, ConstantOp)]
        weights = [op for op in constants if op.array().shape == (16, 16)]
        for old in weights[wrong : wrong + 1]:
            values, element = old.array(), element_of(old.results[0].type)
            old.properties["value"] = ConstantOp.of(-1 - values, element).properties["value"]
        return honest(changed, *given)

    monkeypatch.setattr(bisection, "compile", miscompile)
    told = bisection.first_wrong(chain(), [images()])
    assert f"layer{wrong}" in told and "values differ" in told


def test_right_code_is_told_layer_by_layer(
    folder: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = output(capsys, "run", "net.mlir", "-i", "all.npz", "--check").splitlines()
    assert len(told) == 4 and all(" 0 of " in line for line in told[2:])
    monkeypatch.setattr("lowbit.commands.run_command.agree", lambda *_: False)
    assert main(["run", "net.mlir", "-i", "all.npz", "--check"]) == 1
    assert "though each op with what leads to it agrees" in capsys.readouterr().err
    assert main(["run", "net.mlir", "-i", "all.npz", "--check", "--reference"]) == 1
    assert "leave out --reference" in capsys.readouterr().err
