"""A machine is told by what Linux says of it, and the core apart from what it is sold as."""

from pathlib import Path

import pytest

from autotune import identity
from lowering.backend.host import host_target
from microkernels.target import Target

ZEN = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD  EPYC; 9755

processor\t: 1
model\t\t: 3
"""
CORTEX = """processor\t: 0
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd03
"""


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Called with what Linux says, gives the identity."""

    def identify(text: str | None) -> str:
        path = tmp_path / "cpuinfo"
        if text is not None:
            path.write_text(text)
        monkeypatch.setattr(identity, "_CPUINFO", path)
        forget()
        return identity.machine_identity()

    yield identify
    forget()


def forget() -> None:
    identity._cpuinfo.cache_clear()
    identity.machine_identity.cache_clear()


def test_this_machine_is_one_line_and_the_same_twice():
    line = identity.machine_identity()
    assert line == identity.machine_identity() and line.count(";") == 2 and line.isprintable()


def test_a_machine_is_its_core_then_its_name(cpuinfo):
    core, name, caches = cpuinfo(ZEN).split("; ")
    model, family, target = core.split(" ")
    assert (model, family, name) == ("AuthenticAMD", "26/2", "AMD EPYC, 9755")
    assert Target.parse(target).features == host_target().features
    assert Target.parse(f"{target},caches={caches}") == host_target()


def test_other_names_are_the_same_core(cpuinfo):
    sold = cpuinfo(ZEN)
    hidden = cpuinfo(ZEN.replace("9755", ""))
    assert sold != hidden and identity.core_of(sold) == identity.core_of(hidden)
    assert identity.core_of(
        cpuinfo(ZEN.replace("model\t\t: 2", "model\t\t: 3"))
    ) != identity.core_of(sold)


def test_arm_says_it_in_other_words(cpuinfo):
    assert cpuinfo(CORTEX).startswith("0x41 8/0xd03 ")


def test_where_linux_says_nothing_a_machine_still_has_an_identity(cpuinfo):
    assert cpuinfo(None).startswith("unknown unknown/unknown ")


def test_a_machine_without_a_target_has_one_too(cpuinfo, monkeypatch: pytest.MonkeyPatch):
    def none() -> None:
        raise ValueError("no target describes this machine")

    monkeypatch.setattr(identity, "host_target", none)
    assert cpuinfo(CORTEX).startswith("0x41 8/0xd03 ")
