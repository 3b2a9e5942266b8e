// RUN: lowbit-opt %s -p 'lowbit-fuse' --split-input-file --verify-diagnostics | filecheck %s

// CHECK: @blocks has several blocks: expected one
func.func @blocks(%x: tensor<2xi32>) -> tensor<2xi32> {
  cf.br ^next
^next:
  func.return %x : tensor<2xi32>
}
