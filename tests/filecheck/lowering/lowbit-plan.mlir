// RUN: lowbit-opt %s -p 'lowbit-plan{target="x86-64-v3"}' --split-input-file | filecheck %s

// CHECK-LABEL: @open
// CHECK:         schedule = #lowbit.schedule<algorithm = direct, microkernel = {{[a-z0-9_]+}}, pixels = {{[0-9]+}}, vectors = {{[0-9]+}}, unroll = {{[0-9]+}}, taps = {{columns|none}}, loops = [{{.*}}], planes = {{inner|outer}}, prefetch = 0, borders = peeled, tables = whole, parallel = none>
func.func @open(%x: tensor<3x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}

// -----

// What the program pins stays.

// CHECK-LABEL: @pinned
// CHECK:         microkernel = multiply_16x8, pixels = 1, {{.*}}unroll = 3
func.func @pinned(%x: tensor<3x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = multiply_16x8, pixels = 1, unroll = 3>} : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}
