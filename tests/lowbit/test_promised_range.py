"""A range that is promised, and that nothing proves, changes no result."""

import numpy as np

import lowbit

PROMISED = """
func.func @main(%x: tensor<1x140000xi8>, %w: tensor<140000x1xi8>) -> tensor<1x1x!lowbit.uint<1>> {
  %t = lowbit.constant dense<2000000000> : tensor<1x1xi32> -> tensor<1x1xi32>
  %y = lowbit.dense %x, %w {range = array<i64: -100, 100>}
    : tensor<1x140000xi8>, tensor<140000x1xi8> -> tensor<1x1xi32>
  %q = lowbit.threshold %y, %t : tensor<1x1xi32>, tensor<1x1xi32> -> tensor<1x1x!lowbit.uint<1>>
  return %q : tensor<1x1x!lowbit.uint<1>>
}
"""


def test_thresholds_beyond_a_promised_range():
    """Sums of 1.4 * 10^9 lie above where thresholds that no sum reaches would move."""
    x, w = np.full((1, 140000), -80, np.int8), np.full((140000, 1), -128, np.int8)
    program = lowbit.parse(PROMISED)
    result = lowbit.compile(program, verify_each=True)(x, w)
    assert result == lowbit.reference(program, x, w) == 0
