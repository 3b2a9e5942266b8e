"""`lowbit explain`."""

import json
import re
from pathlib import Path

import pytest
from command_line import output

import lowbit

pytestmark = pytest.mark.usefixtures("folder")


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "explain", "net.mlir", "--no-ir", "--target", "x86-64-v3,cpu=znver3")
    assert "conv2d %z\n  fused        requantize\n" in text
    assert "accumulator  -216..216 from the types (72 products)" in text
    assert "  weights      3x3x8x9 of odd1 as [d3 by " in text
    limit = "0.04401 us, set by binary: 22.81 multiply-adds a byte, 1067 bytes in L1"
    assert f"  limit        {limit}" in text.splitlines()
    assert "us (tiles " in text and "% of the limit at best" in text
    assert "  L1           holds " in text
    told = json.loads(output(capsys, "explain", "net.mlir", "--json"))
    (forecast,) = [one["forecast"] for one in told["layers"]]
    assert sum(forecast["parts"].values()) >= forecast["us"] > 0 < forecast["reachable"] <= 1
    stages = ["source", "graph", "plan", "buffers", "loops", "kernels", "llvm"]
    assert list(told["stages"]) == stages
    assert "memref" in output(capsys, "explain", "net.mlir", "--stage", "buffers")


def test_explain_says_what_pins_cost(capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("net.mlir").read_text()
    pinned = text.replace(
        "lowbit.conv2d %x, %w {",
        "lowbit.conv2d %x, %w {schedule = #lowbit.schedule<"
        "algorithm = direct, microkernel = multiply_16x8>, ",
    )
    assert pinned != text
    Path("pinned.mlir").write_text(pinned)
    exact = ("--no-ir", "--target", "x86-64-v3", "--schedule", "exact")
    assert "  pinned " not in output(capsys, "explain", "net.mlir", *exact)
    told = output(capsys, "explain", "pinned.mlir", *exact).splitlines()
    (chosen,) = [line for line in told if line.startswith("selected  ")]
    predicted, least = re.findall(r"([\d.]+) us predicted, at least ([\d.]+): ", chosen)[0]
    assert predicted == least
    (cost,) = [line for line in told if line.startswith("  pinned ")]
    assert re.fullmatch(r"  pinned     conv2d %\w+: \+[\d.e-]+ us", cost)


def test_explain_says_why_an_op_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
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
