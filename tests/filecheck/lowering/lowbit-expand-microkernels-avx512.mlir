// RUN: lowbit-opt %s -p 'lowbit-expand-microkernels{target="x86-64-v4"}' --split-input-file | filecheck %s

// Three words of 32 channels enter the adders as a group: two by three instructions, the third by two; two
// carries meet in the twos, one in the fours. Four registers of sums are joined once, 8 B + 4 F + 2 T + O.

// CHECK-LABEL: @adders
// CHECK:         [[ENTER:%.*]] = llvm.mlir.constant(120 : i32) : i32
// CHECK-NEXT:    [[HALF:%.*]] = llvm.call_intrinsic "llvm.x86.avx512.pternlog.d.512"([[ONES:%.*]], %{{.*}}, %{{.*}}, [[ENTER]])
// CHECK-NEXT:    [[SUM:%.*]] = llvm.call_intrinsic "llvm.x86.avx512.pternlog.d.512"([[HALF]], %{{.*}}, %{{.*}}, [[ENTER]])
// CHECK:         [[CARRY:%.*]] = llvm.mlir.constant(58 : i32) : i32
// CHECK-NEXT:    [[FIRST:%.*]] = llvm.call_intrinsic "llvm.x86.avx512.pternlog.d.512"([[HALF]], [[SUM]], [[ONES]], [[CARRY]])
// CHECK:         [[BOTH:%.*]] = llvm.mlir.constant(128 : i32) : i32
// CHECK-NEXT:    [[SECOND:%.*]] = llvm.call_intrinsic "llvm.x86.avx512.pternlog.d.512"([[SUM]], %{{.*}}, %{{.*}}, [[BOTH]])
// CHECK-NEXT:    {{%.*}} = llvm.call_intrinsic "llvm.x86.avx512.pternlog.d.512"([[SUM]], %{{.*}}, %{{.*}}, [[ENTER]])
// CHECK:         [[XOR3:%.*]] = llvm.mlir.constant(150 : i32) : i32
// CHECK-NEXT:    {{%.*}} = llvm.call_intrinsic "llvm.x86.avx512.pternlog.d.512"([[TWOS:%.*]], [[FIRST]], [[SECOND]], [[XOR3]])
// CHECK:         [[MAJORITY:%.*]] = llvm.mlir.constant(232 : i32) : i32
// CHECK-NEXT:    [[THIRD:%.*]] = llvm.call_intrinsic "llvm.x86.avx512.pternlog.d.512"([[TWOS]], [[FIRST]], [[SECOND]], [[MAJORITY]])
// CHECK-NEXT:    {{%.*}} = llvm.xor %{{.*}}, [[THIRD]]
// CHECK-NEXT:    {{%.*}} = llvm.and %{{.*}}, [[THIRD]]
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.ctpop.v64i8"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.avx512.pmaddubs.w.512"
// CHECK:         llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"
// CHECK:         llvm.store
// CHECK-NOT:     lowbit.
func.func @adders(%x: memref<3x96x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<96x16x!lowbit.uint<1>, #lowbit.layout<[d1 by 16, planes, d0 by 32, d1 in 16], i32>>, %y: memref<3x16xi32>) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  lowbit.tile "popcount_harley_seal_32x16" at(%0, %0, %0, %0, %0) rows(%0, %1) ins(%x : memref<3x96x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>) weights(%w : memref<96x16x!lowbit.uint<1>, #lowbit.layout<[d1 by 16, planes, d0 by 32, d1 in 16], i32>>) outs(%y : memref<3x16xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 16 : i64, groups = 1 : i64, unroll = 3 : i64, columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>, taps = "columns"}
  func.return
}
