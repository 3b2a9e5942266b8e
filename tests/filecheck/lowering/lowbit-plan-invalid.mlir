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
func.func @pixels(%x: tensor<3x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<pixels = 1000, vectors = 2>} : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}

// -----

// CHECK: 'lowbit.dense': 8 accumulators, 1 taps and 1000 words are 8000 unrolled products: at most 4096
func.func @unroll(%x: tensor<3x80000x!lowbit.uint<1>>, %w: tensor<80000x16x!lowbit.odd<1>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8, pixels = 2, vectors = 4, unroll = 1000>} : tensor<3x80000x!lowbit.uint<1>>, tensor<80000x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}
