// RUN: lowbit-opt %s -p 'lowbit-bufferize' --split-input-file --verify-diagnostics | filecheck %s

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

// CHECK: 'func.call' in @calls: inline it first
func.func @calls(%x: tensor<2xi32>) -> tensor<2xi32> {
  %y = func.call @other(%x) : (tensor<2xi32>) -> tensor<2xi32>
  func.return %y : tensor<2xi32>
}
func.func private @other(tensor<2xi32>) -> tensor<2xi32>

// -----

// CHECK: 'arith.addi' in @foreign works on tensors: expected ops of lowbit
func.func @foreign(%x: tensor<2xi32>) -> tensor<2xi32> {
  %y = arith.addi %x, %x : tensor<2xi32>
  func.return %y : tensor<2xi32>
}

// -----

// CHECK: 'scf.for' in @nested works on tensors: expected ops of lowbit
func.func @nested(%x: tensor<2xi32>, %n: index) -> tensor<2xi32> {
  %z = scf.for %i = %n to %n step %n iter_args(%a = %x) -> (tensor<2xi32>) {
    scf.yield %a : tensor<2xi32>
  }
  %y = lowbit.clip %z {minimum = 0 : i32} : tensor<2xi32> -> tensor<2xi32>
  func.return %y : tensor<2xi32>
}

// -----

// CHECK: @argument returns tensor<2xi32> that no op computes: run lowbit-pack first, which copies it
func.func @argument(%x: tensor<2xi32>) -> tensor<2xi32> {
  func.return %x : tensor<2xi32>
}

// -----

// CHECK: @twice returns a value twice: run lowbit-pack first
func.func @twice(%x: tensor<2xi32>) -> (tensor<2xi32>, tensor<2xi32>) {
  %y = lowbit.clip %x {minimum = 0 : i32} : tensor<2xi32> -> tensor<2xi32>
  func.return %y, %y : tensor<2xi32>, tensor<2xi32>
}

// -----

// CHECK: every extent of tensor<?xi32> is static and at least 1
func.func @dynamic(%x: tensor<?xi32>) {
  func.return
}

// -----

// CHECK: elements are codes, i8, i16, i32, i64 or f32, not f64
func.func @double(%x: tensor<2xf64>) {
  func.return
}
