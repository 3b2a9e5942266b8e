// RUN: lowbit-opt %s -p 'lowbit-tile{target="x86-64-v3"}' --split-input-file | filecheck %s

// Two rows of outputs at a time: tables of the rows that they read, from the start of the slice, then their tiles.

// CHECK-LABEL: @strips
// CHECK:         [[STRIP:%.*]] = arith.constant 2 : index
// CHECK:         scf.for [[FIRST:%.*]] = {{%.*}} to {{%.*}} step [[STRIP]] {
// CHECK:           [[BACK:%.*]] = arith.subi
// CHECK:           [[AT:%.*]] = llvm.getelementptr
// CHECK-NEXT:      [[TABLES:%.*]] = builtin.unrealized_conversion_cast [[AT]]
// CHECK:           scf.for
// CHECK:             llvm.store {{%.*}}, {{%.*}} {alignment = 1 : i64} : vector<16xi8>, !llvm.ptr
// CHECK:           scf.for [[ROW:%.*]] =
// CHECK:             lowbit.tile "lookup_4x32" at({{%.*}}, {{%.*}}, {{%.*}}, [[ROW]], {{%.*}}) rows({{.*}}) ins([[TABLES]] :
func.func @strips(%x: memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, %w: memref<3x3x4x32x!lowbit.odd<1>, #lowbit.layout<[d3 by 32, planes, d0, d1, d2 by 4, d3 in 32], i8>>, %y: memref<1x4x3x32xi32>, %arena: memref<256xi8>, %c: memref<3x3x32xi32, #lowbit.layout<[d0, d1, d2 by 32, d2 in 32], i32>>) {
  %t = lowbit.slice %arena at 64 : memref<256xi8> to memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, d3 by 4, choices], i8>>
  lowbit.relayout %x outs(%t : memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, d3 by 4, choices], i8>>) : memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>
  lowbit.conv2d %t, %w corrections(%c : memref<3x3x32xi32, #lowbit.layout<[d0, d1, d2 by 32, d2 in 32], i32>>) outs(%y : memref<1x4x3x32xi32>) {padding = array<i64: 1, 1, 1, 1>, schedule = #lowbit.schedule<algorithm = direct, microkernel = lookup_4x32, pixels = 3, vectors = 1, unroll = 1, taps = none, loops = [rows by 2, channels, rows, pixels], planes = outer, prefetch = 0, borders = peeled, tables = strips, parallel = none>} : memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, d3 by 4, choices], i8>>, memref<3x3x4x32x!lowbit.odd<1>, #lowbit.layout<[d3 by 32, planes, d0, d1, d2 by 4, d3 in 32], i8>>
  func.return
}
