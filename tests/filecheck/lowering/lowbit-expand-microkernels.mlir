// RUN: lowbit-opt %s -p 'lowbit-expand-microkernels{target="x86-64-v3"}' --split-input-file | filecheck %s

// Two words of 32 channels: bytes are counted, and widened once.

// CHECK-LABEL: @popcount
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.ctpop.v32i8"
// CHECK:         llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK:         [[SUM:%.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// CHECK:         [[TOTAL:%.*]] = llvm.add %{{.*}}, [[SUM]] : vector<8xi32>
// CHECK:         llvm.store [[TOTAL]], %{{.*}} {alignment = 4 : i64} : vector<8xi32>, !llvm.ptr
// CHECK-NOT:     lowbit.
func.func @popcount(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>, %s: i32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 2 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}

// -----

// A slice of the arena is an address in it.

// CHECK-LABEL: @address
// CHECK:         [[P:%.*]] = builtin.unrealized_conversion_cast %arena
// CHECK-NEXT:    [[Q:%.*]] = llvm.getelementptr [[P]][64] : (!llvm.ptr) -> !llvm.ptr, i8
// CHECK:         llvm.store %{{.*}}, [[Q]]
func.func @address(%x: memref<8xi32>, %arena: memref<128xi8>) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  %a = lowbit.slice %arena at 64 : memref<128xi8> to memref<1x8xi32>
  %b = lowbit.reshape %x : memref<8xi32> -> memref<1x8xi32>
  lowbit.tile "copy" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%b : memref<1x8xi32>) outs(%a : memref<1x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 1 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, -1, -1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "none"}
  func.return
}

// -----

// All pairs of planes in one pass: a vector of weights is loaded once, and prefetched two words before; the
// sums of the two shifts are joined after the loop.

// CHECK-LABEL: @inner
// CHECK:         scf.for
// CHECK:           [[AHEAD:%.*]] = llvm.getelementptr [[W:%.*]][64] : (!llvm.ptr) -> !llvm.ptr, i8
// CHECK-NEXT:      llvm.call_intrinsic "llvm.prefetch.p0"([[AHEAD]], {{.*}}) : (!llvm.ptr, i32, i32, i32) -> ()
// CHECK-NEXT:      [[WEIGHTS:%.*]] = llvm.load [[W]]
// CHECK-COUNT-2:   llvm.and %{{.*}}, [[WEIGHTS]] : vector<32xi8>
// CHECK:           scf.yield
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// CHECK:         [[DOUBLE:%.*]] = llvm.add [[HIGH:%.*]], [[HIGH]] : vector<8xi32>
// CHECK-NEXT:    llvm.add [[DOUBLE]], %{{.*}} : vector<8xi32>
func.func @inner(%x: memref<3x64x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x64x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>) outs(%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 8 : i64, groups = 1 : i64, unroll = 1 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns", planes = "inner", prefetch = 2 : i64}
  func.return
}
