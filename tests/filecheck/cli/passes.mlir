// The same pipeline by our driver and, through the entry point, by stock xdsl-opt.
// RUN: lowbit-opt %s -p canonicalize,lowbit-fuse,'lowbit-plan{target="x86-64-v3"}' | filecheck %s
// RUN: xdsl-opt %s -p canonicalize,lowbit-fuse,'lowbit-plan{target="x86-64-v3"}' | filecheck %s

// CHECK:      func.func @net
// CHECK:      lowbit.conv2d
// CHECK-SAME: schedule = #lowbit.schedule<algorithm = direct
// CHECK-SAME: epilogue
// CHECK:      lowbit.requantize
func.func @net(%x: tensor<1x4x4x8x!lowbit.uint<2>>, %w: tensor<3x3x8x8x!lowbit.odd<1>>,
               %s: tensor<8xf32>) -> tensor<1x4x4x8xf32> {
  %y = lowbit.conv2d %x, %w {padding = array<i64: 1, 1, 1, 1>}
    : tensor<1x4x4x8x!lowbit.uint<2>>, tensor<3x3x8x8x!lowbit.odd<1>> -> tensor<1x4x4x8xi32>
  %z = lowbit.requantize %y, %s : tensor<1x4x4x8xi32>, tensor<8xf32> -> tensor<1x4x4x8xf32>
  func.return %z : tensor<1x4x4x8xf32>
}
