// RUN: lowbit-opt %s -p 'lowbit-expand-microkernels{target="x86-64-v3"}' --split-input-file --verify-diagnostics | filecheck %s

// CHECK: 'lowbit.tile': x86-64-v3 has no microkernel 'nonsense': it has {{.*}}popcount_bytes_32x8
func.func @unknown_kernel(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "nonsense" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': 'popcount_bytes_32x8' needs weights
func.func @no_weights(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': 'max' takes no weights
func.func @pool_with_weights(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "max" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': multiply_16x8 reads [d0, d1], i16, not memref<3x64x!lowbit.uint<1>, 
func.func @other_layout(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "multiply_16x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': 1 vectors of 8 lanes do not fit 99 of 8 channels
func.func @channels(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 99 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': 8 channels do not fit 3 groups
func.func @groups(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 3 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': weights have 1x1 taps, not those of kernel
func.func @taps(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': strides has numbers of at least 1
func.func @strides(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 0, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': columns 0..2 lie outside the kernel
func.func @columns(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 2>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': input_axes name each of the 2 axes of memref<3x64x!lowbit.uint<1>, 
func.func @axes(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: 0, 1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': prefetch is a number from 0 to 1024, not -1
func.func @prefetch(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "none", prefetch = -1 : i64}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': 400 pixels of 1 vectors are 400 accumulators: at most 256
func.func @block(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 400 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': popcounts of !lowbit.uint<1> and !lowbit.odd<1> need corrections
func.func @corrections(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.odd<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.odd<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': an epilogue ends in lowbit.yield of what it computes
func.func @yields(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"} epilogue {
  ^bb0(%a: i32):
    lowbit.yield %s : i32
  }
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': 'lowbit.clip' does not read the accumulator
func.func @reads(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"} epilogue {
  ^bb0(%a: i32):
    %c = lowbit.clip %s {minimum = 0 : i32} : i32 -> i32
    lowbit.yield %c : i32
  }
  func.return
}

// -----

// CHECK{LITERAL}: 'lowbit.tile': an epilogue holds ops on one element, not arith.addi
func.func @foreign(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"} epilogue {
  ^bb0(%a: i32):
    %c = arith.addi %a, %a : i32
    lowbit.yield %c : i32
  }
  func.return
}
