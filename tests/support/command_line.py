"""What tests of the command share: small programs, and what a command prints."""

import pytest

from lowbit.command import main

PROGRAM = """
func.func @net(%x: tensor<1x5x5x8x!lowbit.uint<2>>, %w: tensor<3x3x8x9x!lowbit.odd<1>> {lowbit.constant},
               %s: tensor<9xf32>) -> (tensor<1x5x5x9xf32>, tensor<1x2x2x8x!lowbit.uint<2>>) {
  %y = lowbit.conv2d %x, %w {padding = array<i64: 1, 1, 1, 1>}
    : tensor<1x5x5x8x!lowbit.uint<2>>, tensor<3x3x8x9x!lowbit.odd<1>> -> tensor<1x5x5x9xi32>
  %z = lowbit.requantize %y, %s : tensor<1x5x5x9xi32>, tensor<9xf32> -> tensor<1x5x5x9xf32>
  %m = lowbit.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>}
    : tensor<1x5x5x8x!lowbit.uint<2>> -> tensor<1x2x2x8x!lowbit.uint<2>>
  func.return %z, %m : tensor<1x5x5x9xf32>, tensor<1x2x2x8x!lowbit.uint<2>>
}
"""


POOL = """
func.func @pool(%x: tensor<1x4x4x8xi32>) -> tensor<1x2x2x8xi32> {
  %m = lowbit.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>}
    : tensor<1x4x4x8xi32> -> tensor<1x2x2x8xi32>
  func.return %m : tensor<1x2x2x8xi32>
}
"""


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0, capsys.readouterr().err
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out
