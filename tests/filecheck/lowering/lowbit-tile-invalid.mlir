// RUN: lowbit-opt %s -p 'lowbit-plan{target="x86-64-v3"},lowbit-tile{target="x86-64-v3"}' --split-input-file --verify-diagnostics | filecheck %s

// CHECK: 'lowbit.dense': popcount_bytes_32x8 reads [d0, planes, d1 by 32], i32, not memref<3x64x!lowbit.uint<1>>: run lowbit-pack first
func.func @unpacked(%x: memref<3x64x!lowbit.uint<1>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>) {
  lowbit.dense %x, %w outs(%y : memref<3x8xi32>) {schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8, pixels = 2, vectors = 1>} : memref<3x64x!lowbit.uint<1>>, memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>
  func.return
}

// -----

// CHECK: 'lowbit.dense': x86-64-v3 has no microkernel 'popcount_32x16'
func.func @other_target(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>) {
  lowbit.dense %x, %w outs(%y : memref<3x8xi32>) {schedule = #lowbit.schedule<microkernel = popcount_32x16>} : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>
  func.return
}

// -----

// CHECK: 'lowbit.clip' on channels of axis 1 of memref<3x8xi32, #lowbit.layout<[d1, d0], i32>>: run lowbit-pack first
func.func @layout(%x: memref<3x8xi32, #lowbit.layout<[d1, d0], i32>>, %y: memref<3x8xi32>) {
  lowbit.clip %x outs(%y : memref<3x8xi32>) {minimum = 0 : i32} : memref<3x8xi32, #lowbit.layout<[d1, d0], i32>>
  func.return
}

// -----

// CHECK: 'lowbit.conv2d': im2col runs on windows that lowbit-pack gathers: run it first
func.func @not_gathered(%x: memref<1x4x4x4x!lowbit.uint<1>>, %w: memref<3x3x4x4x!lowbit.uint<1>>, %y: memref<1x2x2x4xi32>) {
  lowbit.conv2d %x, %w outs(%y : memref<1x2x2x4xi32>) {schedule = #lowbit.schedule<algorithm = im2col>} : memref<1x4x4x4x!lowbit.uint<1>>, memref<3x3x4x4x!lowbit.uint<1>>
  func.return
}
