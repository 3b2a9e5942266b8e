"""The files of `tests/filecheck/lowering`: each part alone in this process, two by the command line."""

import re
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options
from filecheck.parser import Parser as CheckParser
from filecheck.parser import pattern_for_opts
from xdsl.parser import Parser
from xdsl.passes import PassPipeline
from xdsl.transforms import get_all_passes
from xdsl.utils.exceptions import DiagnosticException

from lowbit.registry import LOWBIT_UNIVERSE, context

FOLDER = Path(__file__).parents[1] / "filecheck" / "lowering"
RUN = re.compile(r"// RUN: lowbit-opt %s -p '(?P<passes>[^']*)' --split-input-file(?P<flags>.*) \|")
PASSES = get_all_passes() | LOWBIT_UNIVERSE.all_passes


def parts() -> list[object]:
    """Every part of every file, with the passes that its file runs; named by its function."""
    found: list[object] = []
    for path in sorted(FOLDER.glob("*.mlir")):
        text = path.read_text()
        run = RUN.search(text)
        assert run, f"{path.name} has no RUN line of the usual form"
        refused = "--verify-diagnostics" in run["flags"]
        for part in text.split("// -----\n"):
            name = re.search(r"func.func (?:private )?@(\w+)", part)
            assert name, f"a part of {path.name} has no function"
            one = pytest.param(part, run["passes"], refused, id=f"{path.stem}-{name[1]}")
            found.append(one)
    return found


def apply(text: str, passes: str, *, refused: bool) -> str:
    """What `lowbit-opt` prints for `text`; the message if the passes are to refuse it."""
    ctx = context()
    module = Parser(ctx, text).parse_module()
    module.verify()
    try:
        for one in PassPipeline.parse_spec(PASSES, passes).passes:
            one.apply(ctx, module)
            module.verify()
    except DiagnosticException as error:
        if not refused:
            raise
        return str(error)
    assert not refused, f"accepted:\n{module}"
    return str(module)


@pytest.mark.parametrize(("text", "passes", "refused"), parts())
def test_part(text: str, passes: str, refused: bool) -> None:
    output = apply(text, passes, refused=refused)
    options = Options("checks")
    parser = CheckParser(options, StringIO(text), *pattern_for_opts(options))
    assert Matcher(options, FInput("output", output), parser).run() == 0, output


@pytest.mark.parametrize("name", ["lowbit-plan.mlir", "lowbit-bufferize-invalid.mlir"])
def test_command_line(name: str) -> None:
    tools = Path(sys.executable).parent
    lit = shutil.which("lit", path=tools)
    assert lit, "lit is not installed"
    result = subprocess.run(
        [lit, "-v", str(FOLDER / name)], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
