// One sentence, the line and a caret, exit code 1, no traceback.
// RUN: not lowbit-opt %s 2>&1 | filecheck %s
// RUN: not lowbit compile %s 2>&1 | filecheck %s

// CHECK-NOT: Traceback
// CHECK:     {{^lowbit(-opt)?: error: .*errors.mlir:13:8: 'lowbit.dense': an input of 3 columns does not fit weights of 4 rows$}}
// CHECK-NEXT: {{^}}  %y = lowbit.dense %x, %w : tensor<2x3x!lowbit.uint<1>>
// CHECK-NEXT: {{^       \^$}}
// CHECK-NOT: {{.}}
func.func @main(%x: tensor<2x3x!lowbit.uint<1>>, %w: tensor<4x5x!lowbit.odd<1>>) -> tensor<2x5xi32> {
  // The op stands on the next line but one.

  %y = lowbit.dense %x, %w : tensor<2x3x!lowbit.uint<1>>, tensor<4x5x!lowbit.odd<1>> -> tensor<2x5xi32>
  func.return %y : tensor<2x5xi32>
}
