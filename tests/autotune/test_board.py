"""Measure on a board, which is an emulator behind a stand-in for ssh."""

import sys
from pathlib import Path

import numpy as np
import pytest
from boards import BOARDS, stand_in

import lowbit
from autotune import linking
from autotune.board import BoardMeasurer
from autotune.board_transport import BoardError, Done, Transport
from autotune.candidate import Plan
from autotune.identity import board_identity, core_of, machine_identity
from autotune.linking import LinkingError, find_linker, link_static
from autotune.measuring import MeasuringError, Subject
from autotune.measuring_worker import planned
from autotune.outcome import Failed, Measured
from autotune.workbench import Workbench
from lowbit_dialect.schedule import Schedule
from microkernels.target import Target

LAYER = str(lowbit.conv2d((1, 5, 5, 32), (3, 3, 32, 32), "uint2", "odd1", padding=1))
SUPPORT = str(Path(__file__).parents[1] / "support")
PI = """processor\t: 0
Features\t: fp asimd
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd03

processor\t: 1

Model\t\t: Raspberry Pi 3
"""


def plan(program: str, target: str) -> Plan:
    machine = Target.parse(target)
    return planned(Workbench(program, machine), machine)


@pytest.mark.parametrize("target", BOARDS[:1])
def test_every_end_is_a_typed_outcome(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(SUPPORT)
    from hostile_boards import HOSTILE, JOB

    stand_in(tmp_path, target, monkeypatch)
    schedules = [Schedule(pixels=1 + number) for number in range(len(HOSTILE))]
    with BoardMeasurer("ssh:pi@board", Subject(LAYER, target), job=JOB, seconds=2) as measurer:
        outcomes = dict(measurer.measure(schedules))
        assert measurer.machine != machine_identity() and f" {target}; " in measurer.machine
        (folder,) = tmp_path.glob("lowbit.*")
        assert any(folder.glob("data-*"))
    ends = {
        name: outcome.kind if isinstance(outcome, Failed) else "measured"
        for name, outcome in zip(HOSTILE, outcomes.values())
    }
    assert ends == {name: end for name, (_, _, end) in HOSTILE.items()}, outcomes
    honest, wrong = outcomes[schedules[0]], outcomes[schedules[-1]]
    assert isinstance(honest, Measured) and honest.seconds > 0 and honest.relative > 0
    assert isinstance(wrong, Failed) and wrong.message.startswith(
        "result 0 on random data, right-flush: 1 bytes differ, the first of what is stored at [0, 0, 0, 0]"
    )
    assert not any(tmp_path.glob("lowbit.*"))  # nothing is left on the board
    asked = (tmp_path / "asked").read_text().splitlines()
    assert all(
        line.startswith("-o BatchMode=yes -o ConnectTimeout=10 -- pi@board ") for line in asked
    )


@pytest.mark.parametrize("target", BOARDS[1:])
def test_programs_and_schedules_are_measured_until_the_board_is_lost(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = lowbit.Program()
    x = program.input((1, 5, 5, 32), "uint2", name="x")
    w = program.input((3, 3, 32, 32), "odd1", name="w", constant=True)
    table = program.constant(np.sort(np.arange(96).reshape(32, 3) % 19 - 9, 1), "i32")
    y = program.threshold(program.conv2d(x, w, padding=1), table, "uint2")
    program.output(program.conv2d(y, program.constant(np.ones((1, 1, 32, 8), np.int64), "odd1")))
    whole, ssh = plan(str(program), target), stand_in(tmp_path, target, monkeypatch)
    (schedule,) = plan(LAYER, target).schedules
    bad = Schedule.parse(str(schedule).replace("microkernel = ", "microkernel = no_"))
    with BoardMeasurer(f"command:{ssh}", Subject(LAYER, target)) as measurer:
        (_, measured), (_, refused) = measurer.measure([schedule, bad])
        ((_, of_program),) = measurer.measure([whole], Subject(str(program), target))
        (tmp_path / "off").touch()
        ((_, lost),) = measurer.measure([schedule])
        f32 = str(lowbit.dense((2, 8), (8, 4), "f32", "f32"))
        (tmp_path / "off").unlink()
        with pytest.raises(MeasuringError, match="a board compares bits"):
            list(measurer.measure([Schedule()], Subject(f32, target)))
    assert isinstance(measured, Measured) and isinstance(of_program, Measured)
    assert isinstance(refused, Failed) and refused.kind == "refused" and "no_" in refused.message
    assert lost == Failed(
        "lost",
        "the board is out of reach: ssh: connect to host board port 22: No route to host",
    )


@pytest.mark.parametrize("target", BOARDS[:1])
def test_a_board_that_cannot_run_the_programs(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with (
        BoardMeasurer("command:sh -c", Subject(LAYER, target)) as measurer,
        pytest.raises(MeasuringError, match="the board cannot run programs for rpi3: "),
    ):
        list(measurer.measure([Schedule()]))


def test_a_board_is_told_by_its_processor():
    target = Target.parse("rpi3")
    identity = board_identity(PI, "Raspberry Pi 3 Model B; Rev 1.2", target)
    assert identity == "0x41 8/0xd03 rpi3; Raspberry Pi 3 Model B, Rev 1.2; 32K/512K/0K"
    other = board_identity(PI.replace("0xd03", "0xd08"), "Raspberry Pi 4", target)
    assert core_of(other) != core_of(identity)
    lscpu = "Vendor ID:  ARM\nModel name: Cortex-A53\nModel: 4\n"
    assert board_identity(lscpu, "", target) == "ARM unknown/4 rpi3; Cortex-A53; 32K/512K/0K"
    assert board_identity("", "", target).startswith("unknown unknown/unknown rpi3; unknown; ")


def test_how_a_board_is_reached():
    assert Transport.parse("ssh:pi@board").command == (
        *("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--"),
        "pi@board",
    )
    assert Transport.parse("command:a 'b c'").command == ("a", "b c")
    for text in ("ssh:", "pi@board", "command:", "tcp:board", ""):
        with pytest.raises(ValueError, match="a runner is ssh:HOST, or command:COMMAND"):
            Transport.parse(text)


def test_what_a_command_on_a_board_leaves():
    shell = Transport(("sh", "-c"))
    assert shell.run("cat; echo no >&2; exit 7", b"given") == Done(7, b"given", ("no",))
    assert shell.run("sh -c 'kill -11 $$'").code == 139
    with pytest.raises(BoardError, match=r"the board has not answered for 0\.1 s"):
        shell.run("sleep 9", seconds=0.1)
    with pytest.raises(BoardError, match="no-such does not run: No such file or directory"):
        Transport(("no-such",)).run("true")
    with pytest.raises(BoardError, match="the board is out of reach: false ended with 1"):
        Transport(("false",)).run("true")


def test_a_board_out_of_reach_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in(tmp_path, "rpi3", monkeypatch)
    (tmp_path / "off").touch()
    monkeypatch.setattr(linking, "which", lambda name: name)
    with pytest.raises(MeasuringError, match="the board is out of reach: ssh: connect to host"):
        BoardMeasurer("ssh:board", Subject(LAYER, "rpi3"))
    (tmp_path / "off").unlink()
    monkeypatch.setenv("TMPDIR", "/nowhere")
    with pytest.raises(MeasuringError, match="the board has no folder for programs: "):
        BoardMeasurer("ssh:board", Subject(LAYER, "rpi3"))


def test_what_links_is_found_in_order(monkeypatch: pytest.MonkeyPatch):
    there = {"aarch64-linux-gnu-gcc": "gcc", "clang": "clang", "ld.lld": "ld.lld"}
    monkeypatch.setattr(linking, "which", there.get)
    monkeypatch.setattr(linking, "find_spec", lambda name: there.get(name))
    target = Target.parse("rpi3")
    assert find_linker(target) == ("gcc",)
    del there["aarch64-linux-gnu-gcc"]
    assert find_linker(target) == ("clang", "--target=aarch64-linux-gnu", "-fuse-ld=lld")
    del there["clang"]
    there["ziglang"] = "ziglang"
    zig = find_linker(target)
    assert zig == (sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl")
    del there["ziglang"]
    with pytest.raises(
        LinkingError, match=r"rpi3 is linked by aarch64-linux-gnu-gcc, by clang with"
    ):
        find_linker(target)
    with pytest.raises(LinkingError, match="on Linux, and cortex-m4 is a target without"):
        find_linker(Target.parse("cortex-m4"))


def test_what_a_linker_refuses(tmp_path: Path):
    refuses = sys.executable, "-c", "import sys; sys.exit('no such library')"
    with pytest.raises(LinkingError, match="does not link the program: no such library"):
        link_static(refuses, [], tmp_path / "program")
    with pytest.raises(LinkingError, match=r"linked for more than 0\.1 s"):
        link_static((sys.executable, "-c", "import time; time.sleep(9)"), [], tmp_path / "p", 0.1)
