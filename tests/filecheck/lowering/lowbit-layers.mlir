// RUN: lowbit-opt %s -p 'lowbit-layers{clock=true}' --split-input-file | filecheck %s

// A layer a function, with the addresses that it needs; the time at the start and after each.

// CHECK-LABEL: func.func private @net.a(%x: memref<1x2x2x8xi32>, %arena: memref<64xi8>) {
// CHECK-NEXT:    %a = lowbit.slice %arena at 0
// CHECK-NEXT:    lowbit.max_pool %x outs(%a :
// CHECK-NEXT:    func.return
// CHECK-LABEL: func.func private @net.y(%y_out: memref<1x1x1x8xi32>, %arena: memref<64xi8>) {
// CHECK-NEXT:    %a = lowbit.slice %arena at 0
// CHECK-NEXT:    lowbit.avg_pool %a outs(%y_out :
// CHECK-LABEL: func.func @net(%x: memref<1x2x2x8xi32>, %y_out: memref<1x1x1x8xi32> {lowbit.out = tensor<1x1x1x8xi32>}, %arena: memref<64xi8> {lowbit.arena = 64 : i64}, %clock: memref<3xi64>) {
// CHECK:         llvm.call_intrinsic "llvm.readcyclecounter"() : () -> i64
// CHECK:         func.call @net.a(%x, %arena)
// CHECK-NEXT:    [[CLOCK:%.*]] = builtin.unrealized_conversion_cast %clock
// CHECK-NEXT:    [[PLACE:%.*]] = llvm.getelementptr [[CLOCK]][8]
// CHECK-NEXT:    [[NOW:%.*]] = llvm.call_intrinsic "llvm.readcyclecounter"() : () -> i64
// CHECK-NEXT:    llvm.store [[NOW]], [[PLACE]] {alignment = 8 : i64}
// CHECK-NEXT:    func.call @net.y(%y_out, %arena)
// CHECK:         llvm.getelementptr {{%.*}}[16]
// CHECK:         func.return
func.func @net(%x: memref<1x2x2x8xi32>, %y_out: memref<1x1x1x8xi32> {lowbit.out = tensor<1x1x1x8xi32>}, %arena: memref<64xi8> {lowbit.arena = 64 : i64}) {
  %a = lowbit.slice %arena at 0 : memref<64xi8> to memref<1x1x1x8xi32>
  lowbit.max_pool %x outs(%a : memref<1x1x1x8xi32>) {kernel = array<i64: 2, 2>} : memref<1x2x2x8xi32>
  lowbit.avg_pool %a outs(%y_out : memref<1x1x1x8xi32>) {kernel = array<i64: 1, 1>} : memref<1x1x1x8xi32>
  func.return
}
