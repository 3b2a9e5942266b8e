"""Popcounts in lanes of 16 bits on AArch64: what their inner blocks consist of."""

import re

import pytest

import lowbit
from lowbit_dialect.schedule import Schedule


def blocks(text: str) -> list[list[str]]:
    """Mnemonics and operands between labels."""
    parts = re.split(r"^\.L\w+:.*$", text, flags=re.MULTILINE)
    return [re.findall(r"^\t([a-z][^\n]*)", part, re.MULTILINE) for part in parts]


@pytest.mark.parametrize("weight", ["uint1", "odd1"])
@pytest.mark.parametrize("channels", [64, 128])
def test_products_of_a_row_of_taps_do_not_spill(channels: int, weight: str):
    """Three instructions for 8 outputs of 16 channels; at most 1.5 % of a block are accesses of the stack."""
    program = lowbit.conv2d((1, 6, 28, channels), (3, 3, channels, 64), "uint1", weight, padding=1)
    schedule = Schedule(
        microkernel="popcount_pairs_16x8", pixels=4, vectors=2, unroll=24, taps="none"
    )
    text = lowbit.compile(program, "rpi3", schedule).assembly()
    hot = [lines for lines in blocks(text) if sum("uadalp" in line for line in lines) > 50]
    assert hot
    for lines in hot:
        counts = {name: sum(line.startswith(name) for line in lines) for name in ("cnt", "uadalp")}
        assert counts["cnt"] == counts["uadalp"]
        assert 3 * counts["cnt"] > 0.85 * len(lines)
        assert any(line.startswith("ld4r") for line in lines)
        assert sum("[sp" in line for line in lines) <= 0.015 * len(lines)
