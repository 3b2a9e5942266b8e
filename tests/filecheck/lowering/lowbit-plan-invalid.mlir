// RUN: lowbit-opt %s -p 'lowbit-plan{target="x86-64-v3"}' --split-input-file --verify-diagnostics | filecheck %s

// CHECK: 'lowbit.dense': x86-64-v3 has no microkernel 'nonsense': it has {{.*}}popcount_bytes_32x8, {{.*}}multiply_16x8
func.func @unknown_kernel(%x: tensor<3x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = nonsense>} : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}

// -----

// CHECK: 'lowbit.dense': microkernel multiply_f32x8 cannot multiply !lowbit.uint<1> by !lowbit.odd<1> in i32
func.func @wrong_kernel(%x: tensor<3x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = multiply_f32x8>} : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}

// -----

// CHECK: 'lowbit.dense': 1000 pixels of 2 vectors are 2000 accumulators: at most 256
func.func @pixels(%x: tensor<3000x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>>) -> tensor<3000x16xi32> {
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<pixels = 1000, vectors = 2>} : tensor<3000x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3000x16xi32>
  func.return %y : tensor<3000x16xi32>
}

// -----

// CHECK: 'lowbit.dense': 256 accumulators, 1 taps and 31 words are 7936 unrolled products: at most 4096
func.func @unroll(%x: tensor<64x8000x!lowbit.uint<1>>, %w: tensor<8000x32x!lowbit.odd<1>>) -> tensor<64x32xi32> {
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8, pixels = 64, vectors = 4, unroll = 31>} : tensor<64x8000x!lowbit.uint<1>>, tensor<8000x32x!lowbit.odd<1>> -> tensor<64x32xi32>
  func.return %y : tensor<64x32xi32>
}

// -----

// CHECK: 'lowbit.conv2d': tables = strips needs loops with 'rows by N' outermost
func.func @strips(%x: tensor<1x4x3x4x!lowbit.uint<2>>, %w: tensor<3x3x4x32x!lowbit.odd<1>>) -> tensor<1x4x3x32xi32> {
  %y = lowbit.conv2d %x, %w {padding = array<i64: 1, 1, 1, 1>, schedule = #lowbit.schedule<algorithm = direct, microkernel = lookup_4x32, loops = [channels, rows, pixels], tables = strips>} : tensor<1x4x3x4x!lowbit.uint<2>>, tensor<3x3x4x32x!lowbit.odd<1>> -> tensor<1x4x3x32xi32>
  func.return %y : tensor<1x4x3x32xi32>
}

// -----

// CHECK: 'lowbit.conv2d': borders = peeled is for up to 8 border outputs of a row, not 20
func.func @borders(%x: tensor<1x4x10x4x!lowbit.uint<2>>, %w: tensor<3x11x4x32x!lowbit.odd<1>>) -> tensor<1x2x20x32xi32> {
  %y = lowbit.conv2d %x, %w {padding = array<i64: 0, 10, 0, 10>, schedule = #lowbit.schedule<algorithm = direct, borders = peeled>} : tensor<1x4x10x4x!lowbit.uint<2>>, tensor<3x11x4x32x!lowbit.odd<1>> -> tensor<1x2x20x32xi32>
  func.return %y : tensor<1x2x20x32xi32>
}
