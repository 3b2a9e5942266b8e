// RUN: lowbit-opt %s -p 'lowbit-pack{target="x86-64-v3"}' --split-input-file | filecheck %s

// CHECK-LABEL: @arguments
// CHECK-DAG:     %corrections = lowbit.corrections %w
// CHECK-DAG:     %w_packed = lowbit.bitpack %w : tensor<64x16x!lowbit.odd<1>> -> tensor<64x16x!lowbit.odd<1>, #lowbit.layout<[d1 by 16, planes, d0 by 32, d1 in 16], i32>>
// CHECK-DAG:     %x_packed = lowbit.bitpack %x : tensor<3x64x!lowbit.uint<1>> -> tensor<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>
// CHECK:         lowbit.dense %x_packed, %w_packed corrections(%corrections
func.func @arguments(%x: tensor<3x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8>} : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}

// -----

// Tables are prepared from planes in rows, which a producer may store.

// CHECK-LABEL: @prepared
// CHECK:         %x_packed = lowbit.bitpack %x : {{.*}} #lowbit.layout<[d0, planes, d1 by 32], i32>>
// CHECK:         %x_prepared = lowbit.relayout %x_packed : {{.*}} #lowbit.layout<[d0, d1 by 4, choices], i8>>
// CHECK:         lowbit.dense %x_prepared, %w_packed
func.func @prepared(%x: tensor<3x64x!lowbit.uint<2>>, %w: tensor<64x16x!lowbit.odd<1>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = lookup_4x32>} : tensor<3x64x!lowbit.uint<2>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}

// -----

// What depends on an argument that stays the same is packed ahead.

// CHECK:       func.func @ahead_pack(%w: tensor<64x16x!lowbit.odd<1>> {lowbit.constant})
// CHECK:         lowbit.bitpack %w
// CHECK:       func.func @ahead(%x: {{.*}}, %{{.*}} {lowbit.packed = 0 : i64}, %{{.*}} {lowbit.packed = 1 : i64})
// CHECK-NOT:     lowbit.corrections
// CHECK:         lowbit.dense
func.func @ahead(%x: tensor<3x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>> {lowbit.constant}) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}

// -----

// A constant is stored packed at once, and its corrections are known.

// CHECK-LABEL: @constant
// CHECK-DAG:     lowbit.constant dense<1> : tensor<64x16xi8> -> tensor<64x16x!lowbit.odd<1>, #lowbit.layout<[d1 by 16, planes, d0 by 32, d1 in 16], i32>>
// CHECK-DAG:     lowbit.constant dense<{{.*}}> : tensor<1x1x16xi32> -> tensor<1x1x16xi32, #lowbit.layout<[d0, d1, d2 by 8, d2 in 8], i32>>
// CHECK-NOT:     lowbit.corrections
func.func @constant(%x: tensor<3x64x!lowbit.uint<1>>) -> tensor<3x16xi32> {
  %w = lowbit.constant dense<1> : tensor<64x16xi8> -> tensor<64x16x!lowbit.odd<1>>
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8>} : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}

// -----

// A result that no op writes is copied: an argument, a constant, a value returned twice.

// CHECK-LABEL: @returned
// CHECK:         [[C:%.*]] = lowbit.constant
// CHECK:         [[A:%.*]] = lowbit.relayout %x
// CHECK:         [[B:%.*]] = lowbit.relayout %x
// CHECK:         [[D:%.*]] = lowbit.relayout [[C]]
// CHECK:         func.return [[A]], [[B]], [[D]]
func.func @returned(%x: tensor<4xi32>) -> (tensor<4xi32>, tensor<4xi32>, tensor<4xi32>) {
  %c = lowbit.constant dense<1> : tensor<4xi32> -> tensor<4xi32>
  func.return %x, %x, %c : tensor<4xi32>, tensor<4xi32>, tensor<4xi32>
}

// -----

// Bytes without a sign are multiplied as they lie.

// CHECK-LABEL: @bytes
// CHECK-NOT:     relayout %x
// CHECK:         lowbit.relayout %w {{.*}} #lowbit.layout<[d1 by 16, d0 by 4, d1 in 16, d0 in 4], i8>>
// CHECK:         lowbit.dense %x, {{.*}}microkernel = dot_u8s8x8
func.func @bytes(%x: tensor<3x64x!lowbit.uint<4>>, %w: tensor<64x16x!lowbit.int<4>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w : tensor<3x64x!lowbit.uint<4>>, tensor<64x16x!lowbit.int<4>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}

// -----

// Signed ones get an offset, which corrections take off.

// CHECK-LABEL: @signed
// CHECK:         [[C:%.*]] = lowbit.corrections %w {{.*}}products = "offset"
// CHECK:         lowbit.dense %x, {{.*}} corrections([[C]] : {{.*}}products = "offset"
// CHECK-SAME:      microkernel = dot_s8s8x8
func.func @signed(%x: tensor<3x64x!lowbit.int<4>>, %w: tensor<64x16x!lowbit.int<4>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w : tensor<3x64x!lowbit.int<4>>, tensor<64x16x!lowbit.int<4>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}
