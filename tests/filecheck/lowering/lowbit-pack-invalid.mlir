// RUN: lowbit-opt %s -p 'lowbit-plan{target="x86-64-v3"},lowbit-pack{target="x86-64-v3"}' --split-input-file --verify-diagnostics | filecheck %s

// CHECK: @blocks has several blocks: expected one
func.func @blocks(%x: tensor<2xi32>) -> tensor<2xi32> {
  cf.br ^next
^next:
  func.return %x : tensor<2xi32>
}

// -----

// CHECK: @unreachable does not end in func.return
func.func @unreachable(%x: tensor<2xi32>) -> tensor<2xi32> {
  llvm.unreachable
}

// -----

// CHECK: @scalar returns i32: expected tensors alone
func.func @scalar(%x: i32) -> i32 {
  func.return %x : i32
}

// -----

// CHECK: every extent of tensor<?xi32> is static and at least 1
func.func @dynamic(%x: tensor<?xi32>) -> tensor<?xi32> {
  func.return %x : tensor<?xi32>
}

// -----

// CHECK: 'lowbit.clip' is on memrefs: lowbit-pack needs tensors
func.func @memrefs(%x: memref<2xi32>) {
  lowbit.clip %x outs(%x : memref<2xi32>) {minimum = 0 : i32} : memref<2xi32>
  func.return
}

// -----

// CHECK: @taken needs @taken_pack for its packing, but there is one: rename it
func.func @taken(%x: tensor<3x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>> {lowbit.constant}) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}
func.func @taken_pack() {
  func.return
}

// -----

// CHECK: 'lowbit.conv2d': im2col takes one group, not 2
func.func @gather_groups(%x: tensor<1x4x4x4x!lowbit.uint<1>>, %w: tensor<3x3x2x4x!lowbit.odd<1>>) -> tensor<1x2x2x4xi32> {
  %y = lowbit.conv2d %x, %w {groups = 2 : i64, schedule = #lowbit.schedule<algorithm = im2col>} : tensor<1x4x4x4x!lowbit.uint<1>>, tensor<3x3x2x4x!lowbit.odd<1>> -> tensor<1x2x2x4xi32>
  func.return %y : tensor<1x2x2x4xi32>
}

// -----

// CHECK: 'lowbit.conv2d': im2col multiplies codes, not i8 by i8
func.func @gather_bytes(%x: tensor<1x4x4x4xi8>, %w: tensor<3x3x4x4xi8>) -> tensor<1x2x2x4xi32> {
  %y = lowbit.conv2d %x, %w {schedule = #lowbit.schedule<algorithm = im2col>} : tensor<1x4x4x4xi8>, tensor<3x3x4x4xi8> -> tensor<1x2x2x4xi32>
  func.return %y : tensor<1x2x2x4xi32>
}

// -----

// CHECK: 'lowbit.conv2d': im2col has no use for corrections of borders: leave them out
func.func @gather_corrections(%x: tensor<1x4x4x4x!lowbit.uint<1>>, %w: tensor<3x3x4x4x!lowbit.odd<1>>, %c: tensor<1x1x4xi32>) -> tensor<1x2x2x4xi32> {
  %y = lowbit.conv2d %x, %w corrections(%c : tensor<1x1x4xi32>) {schedule = #lowbit.schedule<algorithm = im2col>} : tensor<1x4x4x4x!lowbit.uint<1>>, tensor<3x3x4x4x!lowbit.odd<1>> -> tensor<1x2x2x4xi32>
  func.return %y : tensor<1x2x2x4xi32>
}
