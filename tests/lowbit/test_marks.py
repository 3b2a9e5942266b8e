"""Attributes of arguments that are not what they say."""

import re

import pytest

import lowbit
from lowbit.pipeline import lower

PROGRAM = """
func.func @f(%x: tensor<9xi32>, %w: TYPE) -> tensor<9xi32> {
  %y = lowbit.add %x, %x : tensor<9xi32>, tensor<9xi32> -> tensor<9xi32>
  func.return %y : tensor<9xi32>
}
func.func @f_pack(%w: tensor<9xi32>) -> tensor<9xi32> {
  %y = lowbit.clip %w {minimum = 0 : i32} : tensor<9xi32> -> tensor<9xi32>
  func.return %y : tensor<9xi32>
}
"""
UNPACKED = "is written by lowbit-pack, but @f_pack has no such result"
SCRATCH = "'lowbit.arena' marks scratch memory, a memref of i8 of one axis"
OUT = "'lowbit.out' marks a memref that a result is written to"
ABI = "could change how the generated function is called: remove it"


@pytest.mark.parametrize(
    ("type", "message"),
    [
        ("tensor<9xi32> {lowbit.packed = 1}", f"'lowbit.packed = 1 : i64' {UNPACKED}"),
        ("tensor<9xi32> {lowbit.packed = -1}", f"'lowbit.packed = -1 : i64' {UNPACKED}"),
        ("tensor<9xi32> {lowbit.packed}", f"'lowbit.packed = unit' {UNPACKED}"),
        ("tensor<8xi32> {lowbit.packed = 0}", f"'lowbit.packed = 0 : i64' {UNPACKED}"),
        ("tensor<9xi8> {lowbit.arena}", f"{SCRATCH}, not tensor<9xi8>"),
        ("memref<9xi32> {lowbit.arena}", f"{SCRATCH}, not memref<9xi32>"),
        ("tensor<9xi32> {lowbit.out}", f"{OUT}, not tensor<9xi32>"),
        ("tensor<9xi32> {llvm.byval = i32}", f"'llvm.byval' {ABI}"),
        ("tensor<9xi32> {llvm.nest}", f"'llvm.nest' {ABI}"),
    ],
)
def test_refusals(type: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"argument %w of @f: {re.escape(message)}$"):
        lowbit.parse(PROGRAM.replace("TYPE", type))


def test_what_is_packed_twice_is_not_compiled() -> None:
    program = lowbit.parse(PROGRAM.replace("TYPE", "tensor<9xi32> {lowbit.packed = 0}"))
    with pytest.raises(ValueError, match="@f takes what is packed already: compile the program as"):
        lowbit.compile(program)


@pytest.mark.parametrize("stage", ["plan", "buffers", "loops", "kernels"])
def test_what_stages_write_is_read(stage: str) -> None:
    program = lowbit.conv2d((1, 5, 4, 33), (3, 3, 33, 20), "uint1", "odd1", padding=1)
    text = str(lower(program.module, "x86-64", until=stage, threads=2))
    assert "lowbit.packed = 1" in text
    assert str(lowbit.parse(text)) == text
