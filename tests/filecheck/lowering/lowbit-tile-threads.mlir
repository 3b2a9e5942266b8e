// RUN: lowbit-opt %s -p 'lowbit-plan{target="x86-64-v3" threads=2 least=0},lowbit-tile{target="x86-64-v3" threads=2 least=0}' --split-input-file | filecheck %s

// Rows of both images are one axis of six; the task finds the function's pointers by their places.

// CHECK-LABEL: func.func private @rows_body0(%x: memref<2x3x4x8xi32>, %y: memref<2x3x4x8xi32>, %begin: index, %end: index) {
// CHECK:         scf.for [[IMAGE:%.*]] = {{%.*}} to %1 step
// CHECK-NEXT:      [[FIRST:%.*]] = arith.muli [[IMAGE]], %2 : index
// CHECK-NEXT:      [[A:%.*]] = arith.subi %begin, [[FIRST]] : index
// CHECK-NEXT:      [[B:%.*]] = arith.subi %end, [[FIRST]] : index
// CHECK-NEXT:      [[LOW:%.*]] = arith.maxsi [[A]], {{%.*}} : index
// CHECK-NEXT:      [[HIGH:%.*]] = arith.minsi [[B]], %2 : index
// CHECK-NEXT:      scf.for [[ROW:%.*]] = [[LOW]] to [[HIGH]] step
// CHECK:             lowbit.tile "max" at([[IMAGE]], {{.*}}, [[ROW]],
// CHECK-LABEL: func.func @rows_task0(%args: !llvm.ptr, %begin: index, %end: index) attributes {lowbit.extent = 6 : i64} {
// CHECK-NEXT:    %x = llvm.load %args {alignment = 8 : i64} : !llvm.ptr -> !llvm.ptr
// CHECK:         %1 = llvm.getelementptr %args[8] : (!llvm.ptr) -> !llvm.ptr, i8
// CHECK-NEXT:    %y = llvm.load %1
// CHECK:         func.call @rows_body0(%0, %2, %begin, %end)
// CHECK-LABEL: func.func @rows(
// CHECK-NEXT:    %0 = arith.constant 0 : index
// CHECK-NEXT:    %1 = arith.constant 6 : index
// CHECK-NEXT:    func.call @rows_body0(%x, %y, %0, %1)
// CHECK-NEXT:    func.return
func.func @rows(%x: memref<2x3x4x8xi32>, %y: memref<2x3x4x8xi32>) {
  lowbit.max_pool %x outs(%y : memref<2x3x4x8xi32>) {kernel = array<i64: 1, 1>} : memref<2x3x4x8xi32>
  func.return
}

// -----

// One row of pixels: blocks of channels, the last one short, in a loop that runs once or not at all.

// CHECK-LABEL: func.func private @channels_body0(
// CHECK:         scf.for [[CHANNEL:%.*]] =
// CHECK-NEXT:      lowbit.tile "popcount_bytes_32x8" at({{%.*}}, {{%.*}}, [[CHANNEL]],
// CHECK-SAME:        channels = 8 : i64
// CHECK:         [[LAST:%.*]] = arith.constant 16 : index
// CHECK:         scf.for
// CHECK-NEXT:      lowbit.tile "popcount_bytes_32x8" at({{%.*}}, {{%.*}}, [[LAST]],
// CHECK-SAME:        channels = 4 : i64
// CHECK-LABEL: func.func @channels_task0({{.*}}) attributes {lowbit.extent = 3 : i64}
func.func @channels(%x: memref<1x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x20x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<1x20xi32>) {
  lowbit.dense %x, %w outs(%y : memref<1x20xi32>) {schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8, vectors = 1>} : memref<1x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, memref<64x20x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>
  func.return
}

// -----

// What a task needs of the arena is found in the task.

// CHECK-LABEL: func.func private @arena_body0(%x: memref<4x8xi32>, %arena: memref<128xi8>,
// CHECK-NEXT:    %y = lowbit.slice %arena at 0
// CHECK-LABEL: func.func @arena_task0(
// CHECK-LABEL: func.func @arena(
// CHECK-NOT:     lowbit.slice
// CHECK:         func.call @arena_body0(%x, %arena,
// CHECK:         func.return
func.func @arena(%x: memref<4x8xi32>, %arena: memref<128xi8>) {
  %y = lowbit.slice %arena at 0 : memref<128xi8> to memref<4x8xi32>
  lowbit.relayout %x outs(%y : memref<4x8xi32>) : memref<4x8xi32>
  func.return
}
