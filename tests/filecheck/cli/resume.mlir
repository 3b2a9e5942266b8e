// Every stage prints text that the next can be started from.
// RUN: lowbit compile %s --target x86-64-v3 --emit buffers > %t.mlir
// RUN: lowbit-opt %t.mlir -p 'lowbit-tile{target="x86-64-v3"},lowbit-expand-microkernels{target="x86-64-v3"}' | filecheck %s

// CHECK:     func.func @main_pack
// CHECK:     func.func @main
// CHECK:     scf.for
// CHECK:     llvm.xor
// CHECK-NOT: lowbit.tile
func.func @main(%x: tensor<3x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>> {lowbit.constant})
    -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}
