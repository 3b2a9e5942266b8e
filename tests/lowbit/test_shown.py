"""What an interpreter or a notebook shows fits a screen."""

import re

import numpy as np
import pytest

import lowbit
from lowbit.shown import MOST_ROWS, html_table, listed


@pytest.fixture(scope="module")
def program() -> lowbit.Program:
    return lowbit.conv2d((1, 6, 5, 33), (3, 3, 33, 9), "uint2", "odd1", padding=1)


@pytest.fixture(scope="module")
def kernel(program: lowbit.Program) -> lowbit.Kernel:
    return lowbit.compile(program, "x86-64", threads=100)


def test_values(program: lowbit.Program, kernel: lowbit.Kernel) -> None:
    packed = kernel.pack(np.ones((3, 3, 33, 9), int))
    bound = kernel.bind(np.zeros((1, 6, 5, 33), np.uint8), packed)
    called = "main(x: 1x6x5x33 of uint2, w: 3x3x33x9 of odd1 packed ahead) -> (y: 1x6x5x9 of i32)"
    reason = "100 were asked for, but nothing in the program is worth sharing out"
    assert repr(program) == f"<Program {called.replace(' packed ahead', '')}, 1 op>"
    assert repr(lowbit.Program()) == "<Program main() -> (), 0 ops>"
    assert repr(kernel.signature) == f"<Signature {called}>"
    if kernel.threads_reason != "this process may use 1 core":
        assert repr(kernel) == f"<Kernel {called} for x86-64, threads: 1 ({reason})>"
        assert f"<td>threads</td><td>1 ({reason})</td>" in plain(kernel._repr_html_())
    assert re.fullmatch(r"<Packed: [12] arrays?, \d+ bytes>", repr(packed))
    assert repr(bound) == f"<Bound: {len(bound.arrays)} arrays, writes 1x6x5x9 of int32>"


def plain(html: str) -> str:
    return html.replace(' style="text-align: left"', "")


def test_tables(program: lowbit.Program, kernel: lowbit.Kernel) -> None:
    assert plain(program._repr_html_()) == (
        "<table><tr><th>program</th><th>main</th></tr>"
        "<tr><td>input x</td><td>1x6x5x33 of uint2</td></tr>"
        "<tr><td>input w</td><td>3x3x33x9 of odd1</td></tr>"
        "<tr><td>conv2d %y</td><td>1x6x5x9 of i32</td></tr>"
        "<tr><td>output y</td><td></td></tr></table>"
    )
    table = plain(kernel._repr_html_())
    assert "<td>input w</td><td>3x3x33x9 of odd1 packed ahead</td>" in table
    assert "<td>schedule of conv2d %y</td><td>algorithm = " in table


def test_what_is_long_is_cut() -> None:
    assert listed([str(n) for n in range(9)]) == "0, 1, 2, 3, 4, 5, and 3 more"
    rows = [("x" * 500, "<b>")] * 100
    table = plain(html_table(("a", "b"), rows))
    assert table.count("<tr>") == 2 + MOST_ROWS and "<td>and 60 more</td>" in table
    assert f"<td>{'x' * 117}...</td><td>&lt;b&gt;</td>" in table


def test_values_of_large_programs_are_short() -> None:
    program = lowbit.Program()
    values = [program.input((2, 3), "i32", name=f"a_rather_long_name_{n}" * 9) for n in range(50)]
    program.output(*values)
    assert len(repr(program)) < 2000 and len(program._repr_html_()) < 20000


def test_the_version_is_the_one_of_the_package() -> None:
    from importlib.metadata import version

    assert lowbit.__version__ == version("lowbit")
