// RUN: lowbit-opt %s -p 'lowbit-bufferize' --split-input-file | filecheck %s

// The first buffer is dead when the third is written, and lies where that did.

// CHECK-LABEL: @arena(%x: memref<16xi32>, %d_out: memref<16xi32> {lowbit.out = tensor<16xi32>, lowbit.name = "d"}, %arena: memref<128xi8> {lowbit.arena = 128 : i64})
// CHECK-NEXT:    %a = lowbit.slice %arena at 0 : memref<128xi8> to memref<16xi32>
// CHECK-NEXT:    lowbit.clip %x outs(%a : memref<16xi32>)
// CHECK-NEXT:    %b = lowbit.slice %arena at 64 : memref<128xi8> to memref<16xi32>
// CHECK-NEXT:    lowbit.clip %a outs(%b : memref<16xi32>)
// CHECK-NEXT:    %c = lowbit.slice %arena at 0 : memref<128xi8> to memref<16xi32>
// CHECK-NEXT:    lowbit.clip %b outs(%c : memref<16xi32>)
// CHECK-NEXT:    lowbit.clip %c outs(%d_out : memref<16xi32>)
// CHECK-NEXT:    func.return
func.func @arena(%x: tensor<16xi32>) -> tensor<16xi32> {
  %a = lowbit.clip %x {minimum = 0 : i32} : tensor<16xi32> -> tensor<16xi32>
  %b = lowbit.clip %a {minimum = 1 : i32} : tensor<16xi32> -> tensor<16xi32>
  %c = lowbit.clip %b {minimum = 2 : i32} : tensor<16xi32> -> tensor<16xi32>
  %d = lowbit.clip %c {minimum = 3 : i32} : tensor<16xi32> -> tensor<16xi32>
  func.return %d : tensor<16xi32>
}

// -----

// What nothing reads is written all the same, so it lies beside what is alive.

// CHECK-LABEL: @dead
// CHECK:         %a = lowbit.slice %arena at 0 : memref<192xi8> to memref<16xi32>
// CHECK:         %b = lowbit.slice %arena at 64 : memref<192xi8> to memref<16xi32>
// CHECK:         %dead = lowbit.slice %arena at 128 : memref<192xi8> to memref<16xi32>
// CHECK:         lowbit.add %a, %b outs(%c_out : memref<16xi32>)
func.func @dead(%x: tensor<16xi32>) -> tensor<16xi32> {
  %a = lowbit.clip %x {minimum = 0 : i32} : tensor<16xi32> -> tensor<16xi32>
  %b = lowbit.clip %x {minimum = 1 : i32} : tensor<16xi32> -> tensor<16xi32>
  %dead = lowbit.clip %x {minimum = 2 : i32} : tensor<16xi32> -> tensor<16xi32>
  %c = lowbit.add %a, %b : tensor<16xi32>, tensor<16xi32> -> tensor<16xi32>
  func.return %c : tensor<16xi32>
}

// -----

// A constant becomes bytes; a name that is taken is not used again.

// CHECK:       "memref.global"() <{sym_name = "constant_1", {{.*}}dense<[1, -1, 1]> : tensor<3xi8>{{.*}}alignment = 64
// CHECK:       func.func @constant_0()
// CHECK:       func.func @constant
// CHECK:         [[G:%.*]] = memref.get_global @constant_1 : memref<3xi8>
// CHECK-NEXT:    [[S:%.*]] = lowbit.slice [[G]] at 0 : memref<3xi8> to memref<3x!lowbit.odd<1>>
// CHECK-NEXT:    lowbit.relayout [[S]] outs(
func.func @constant_0() {
  func.return
}
func.func @constant() -> tensor<3x!lowbit.odd<1>> {
  %c = lowbit.constant dense<[1, -1, 1]> : tensor<3xi8> -> tensor<3x!lowbit.odd<1>>
  %r = lowbit.relayout %c : tensor<3x!lowbit.odd<1>> -> tensor<3x!lowbit.odd<1>>
  func.return %r : tensor<3x!lowbit.odd<1>>
}
