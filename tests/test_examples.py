"""Every example runs from top to bottom and prints what it promises."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *options: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


NETWORKS = ["digits/classify.py", "fashion/classify.py"]
NETWORKS += [f"fashion/classify.py {one} 40" for one in ("residual", "depthwise")]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_equal_the_reference_in_every_layer(name: str):
    output = run(*name.split())
    accuracy = float(re.findall(r"accuracy ([\d.]+)%", output)[0])
    assert accuracy > (98 if "digits" in name else 88)
    layers = re.findall(r"(\d+) of \d+ differ", output)
    assert len(layers) >= 5 and set(layers) == {"0"}


def test_resnet18_equals_the_reference():
    assert "\n0 of 1000 scores differ" in run("resnet18/build.py", "--size=32", "--check")


def test_kernel_from_python():
    assert ", 0 differ from the reference" in run("kernel_from_python.py")


def test_program_by_hand():
    scores, expected, *_ = run("by_hand/run.py").splitlines()
    assert scores.removeprefix("scores").strip() == expected.removeprefix("expected").strip()


def test_pipeline_shows_every_stage():
    output = run("pipeline.py")
    for stage in ("graph", "plan", "buffers", "loops", "kernels", "llvm"):
        assert re.search(rf"^{stage} ", output, re.MULTILINE)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_exported_code_runs_in_c():
    said, expected = re.findall(r"-?\d+", run("export_c/build.py"))
    assert said == expected != "0"


CROSS = "aarch64-linux-gnu-gcc", "arm-linux-gnueabihf-gcc", "qemu-aarch64", "qemu-arm"


@pytest.mark.skipif(not all(map(shutil.which, CROSS)), reason="no cross compilers or no QEMU")
def test_exported_code_runs_on_other_processors():
    output = run("cross_linux/build.py")
    assert re.findall(r"(\S+): (\d+) of 1024", output) == [("rpi3", "0"), ("rpi3-armv7", "0")]


BOARD = "arm-linux-gnueabihf-gcc", "qemu-system-arm"


@pytest.mark.skipif(not all(map(shutil.which, BOARD)), reason="no cross compiler or no QEMU")
@pytest.mark.parametrize("network", ["digits", "keywords"])
def test_a_network_runs_without_an_operating_system(network: str):
    output = run("bare_metal/build.py", network)
    assert "4 images, 0 of 40 logits differ" in output
    arena, stack = map(int, re.findall(r"(\d+) bytes of arena, (\d+) of stack", output)[0])
    assert arena + stack < 64 << 10 and stack > 100


def test_a_tuned_layer_has_the_same_bits():
    output = run("tune.py")
    assert "1 layer tuned" in output and output.splitlines()[-1].startswith("0 outputs differ")


def test_families_are_drawn_over_bits(tmp_path: Path):
    picture = tmp_path / "picture.svg"
    asked = ["--layers", "D1024b1", "--pairs", "uint2,odd1"]
    output = run("crossovers/measure.py", str(picture), *asked)
    ways = re.findall(r"(popcounts|look-ups|products of integers) [\d.]+", output)
    assert len(ways) >= 2 and picture.read_text().count("<circle") == len(ways)
