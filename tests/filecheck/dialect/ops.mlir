// Every op in both its forms, each once. Read by tests/lowbit_dialect/test_filecheck.py:
// printed, parsed and printed again, and as the seed of mutations by test_hostile.py.

// CHECK-LABEL: @constant
func.func @constant() -> (tensor<2x!lowbit.odd<1>>, tensor<2xf32>) {
  // CHECK-NEXT: lowbit.constant dense<[1, -1]> : tensor<2xi8> -> tensor<2x!lowbit.odd<1>>
  %0 = lowbit.constant dense<[1, -1]> : tensor<2xi8> -> tensor<2x!lowbit.odd<1>>
  // CHECK-NEXT: lowbit.constant dense<[2.500000e-01, -1.000000e+00]> : tensor<2xf32> -> tensor<2xf32>
  %1 = lowbit.constant dense<[0.25, -1.0]> : tensor<2xf32> -> tensor<2xf32>
  // CHECK-NEXT: lowbit.constant dense<3> : tensor<4x8xi8> -> tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>
  %2 = lowbit.constant dense<3> : tensor<4x8xi8> -> tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>
  func.return %0, %1 : tensor<2x!lowbit.odd<1>>, tensor<2xf32>
}

// -----

// CHECK-LABEL: @layouts
func.func @layouts(%x: tensor<5x40x!lowbit.int<3>>) -> tensor<5x40x!lowbit.int<3>> {
  // CHECK-NEXT: lowbit.bitpack %x : tensor<5x40x!lowbit.int<3>> -> tensor<5x40x!lowbit.int<3>, #lowbit.layout<[d0, planes, d1 by 32], i32>>
  %0 = lowbit.bitpack %x : tensor<5x40x!lowbit.int<3>> -> tensor<5x40x!lowbit.int<3>, #lowbit.layout<[d0, planes, d1 by 32], i32>>
  // CHECK-NEXT: lowbit.relayout %{{.*}} -> tensor<5x40x!lowbit.int<3>, #lowbit.layout<[d0 by 2, d1 by 16, planes, d0 in 2], i16, msb>>
  %1 = lowbit.relayout %0 : tensor<5x40x!lowbit.int<3>, #lowbit.layout<[d0, planes, d1 by 32], i32>> -> tensor<5x40x!lowbit.int<3>, #lowbit.layout<[d0 by 2, d1 by 16, planes, d0 in 2], i16, msb>>
  // CHECK-NEXT: lowbit.unpack %{{.*}} -> tensor<5x40x!lowbit.int<3>>
  %2 = lowbit.unpack %1 : tensor<5x40x!lowbit.int<3>, #lowbit.layout<[d0 by 2, d1 by 16, planes, d0 in 2], i16, msb>> -> tensor<5x40x!lowbit.int<3>>
  func.return %2 : tensor<5x40x!lowbit.int<3>>
}

// -----

// CHECK-LABEL: @layouts_of_buffers
func.func @layouts_of_buffers(%x: memref<5x40x!lowbit.ternary>, %p: memref<5x40x!lowbit.ternary, #lowbit.layout<[d0, d1 by 24 by 8, d1 by 24 in 8, planes, d1 in 24 by 8], i8>>, %q: memref<5x40x!lowbit.ternary, #lowbit.layout<[planes, d0, d1 by 64], i64>>) {
  // CHECK-NEXT: lowbit.bitpack %x outs(%p : {{.*}}) : memref<5x40x!lowbit.ternary>
  lowbit.bitpack %x outs(%p : memref<5x40x!lowbit.ternary, #lowbit.layout<[d0, d1 by 24 by 8, d1 by 24 in 8, planes, d1 in 24 by 8], i8>>) : memref<5x40x!lowbit.ternary>
  // CHECK-NEXT: lowbit.relayout %p outs(%q : {{.*}}) : memref
  lowbit.relayout %p outs(%q : memref<5x40x!lowbit.ternary, #lowbit.layout<[planes, d0, d1 by 64], i64>>) : memref<5x40x!lowbit.ternary, #lowbit.layout<[d0, d1 by 24 by 8, d1 by 24 in 8, planes, d1 in 24 by 8], i8>>
  // CHECK-NEXT: lowbit.unpack %q outs(%x : {{.*}}) : memref
  lowbit.unpack %q outs(%x : memref<5x40x!lowbit.ternary>) : memref<5x40x!lowbit.ternary, #lowbit.layout<[planes, d0, d1 by 64], i64>>
  func.return
}

// -----

// CHECK-LABEL: @shapes
func.func @shapes(%x: tensor<2x6xi32>) -> tensor<4x3xi32> {
  // CHECK-NEXT: lowbit.reshape %x : tensor<2x6xi32> -> tensor<3x4xi32>
  %0 = lowbit.reshape %x : tensor<2x6xi32> -> tensor<3x4xi32>
  // CHECK-NEXT: lowbit.transpose %{{.*}} permutation = [1, 0] : tensor<3x4xi32> -> tensor<4x3xi32>
  %1 = lowbit.transpose %0 permutation = [1, 0] : tensor<3x4xi32> -> tensor<4x3xi32>
  func.return %1 : tensor<4x3xi32>
}

// -----

// CHECK-LABEL: @shapes_of_buffers
func.func @shapes_of_buffers(%arena: memref<128xi8>) {
  // CHECK-NEXT: lowbit.slice %arena at 64 : memref<128xi8> to memref<2x6xi16>
  %0 = lowbit.slice %arena at 64 : memref<128xi8> to memref<2x6xi16>
  // CHECK-NEXT: lowbit.reshape %{{.*}} : memref<2x6xi16> -> memref<3x4xi16>
  %1 = lowbit.reshape %0 : memref<2x6xi16> -> memref<3x4xi16>
  %2 = lowbit.slice %arena at 0 : memref<128xi8> to memref<4x3xi16>
  // CHECK: lowbit.transpose %{{.*}} permutation = [1, 0] outs(%{{.*}} : memref<4x3xi16>) : memref<3x4xi16>
  lowbit.transpose %1 permutation = [1, 0] outs(%2 : memref<4x3xi16>) : memref<3x4xi16>
  func.return
}

// -----

// CHECK-LABEL: @gathering
func.func @gathering(%x: tensor<2x5x4x3x!lowbit.odd<2>>) -> tensor<2x18x3x2x!lowbit.odd<2>> {
  // CHECK-NEXT: lowbit.lines %x {padding = array<i64: 1, 0, 0, 2>, pad_value = -1 : i64} : tensor<2x5x4x3x!lowbit.odd<2>> -> tensor<2x6x18x!lowbit.odd<2>>
  %0 = lowbit.lines %x {padding = array<i64: 1, 0, 0, 2>, pad_value = -1 : i64} : tensor<2x5x4x3x!lowbit.odd<2>> -> tensor<2x6x18x!lowbit.odd<2>>
  // CHECK-NEXT: lowbit.windows %{{.*}} {channels = 3 : i64, kernel = array<i64: 2, 3>, strides = array<i64: 2, 1>, dilations = array<i64: 1, 2>, format = "nchw"} : tensor<2x6x18x!lowbit.odd<2>> -> tensor<2x18x3x2x!lowbit.odd<2>>
  %1 = lowbit.windows %0 {channels = 3 : i64, kernel = array<i64: 2, 3>, strides = array<i64: 2, 1>, dilations = array<i64: 1, 2>, format = "nchw"} : tensor<2x6x18x!lowbit.odd<2>> -> tensor<2x18x3x2x!lowbit.odd<2>>
  func.return %1 : tensor<2x18x3x2x!lowbit.odd<2>>
}

// -----

// CHECK-LABEL: @subsampling
func.func @subsampling(%x: tensor<2x3x5x4x!lowbit.odd<2>>, %y: memref<1x5x4x3x!lowbit.uint<1>>, %z: memref<1x2x4x3x!lowbit.uint<1>>) -> tensor<2x3x3x2x!lowbit.odd<2>> {
  // CHECK-NEXT: lowbit.subsample %x {strides = array<i64: 2, 3>, format = "nchw"} : tensor<2x3x5x4x!lowbit.odd<2>> -> tensor<2x3x3x2x!lowbit.odd<2>>
  %0 = lowbit.subsample %x {strides = array<i64: 2, 3>, format = "nchw"} : tensor<2x3x5x4x!lowbit.odd<2>> -> tensor<2x3x3x2x!lowbit.odd<2>>
  // CHECK-NEXT: lowbit.subsample %y outs(%z : {{.*}}) {strides = array<i64: 4, 1>} : memref<1x5x4x3x!lowbit.uint<1>>
  lowbit.subsample %y outs(%z : memref<1x2x4x3x!lowbit.uint<1>>) {strides = array<i64: 4, 1>} : memref<1x5x4x3x!lowbit.uint<1>>
  func.return %0 : tensor<2x3x3x2x!lowbit.odd<2>>
}

// -----

// CHECK-LABEL: @moving
func.func @moving(%x: tensor<2x3x!lowbit.odd<2>>, %y: tensor<2x1x!lowbit.odd<2>>, %z: tensor<3xf32>) -> (tensor<4x9x!lowbit.odd<2>>, tensor<4xf32>) {
  // CHECK-NEXT: lowbit.concat %x, %y {axis = 1 : i64} : tensor<2x3x!lowbit.odd<2>>, tensor<2x1x!lowbit.odd<2>> -> tensor<2x4x!lowbit.odd<2>>
  %0 = lowbit.concat %x, %y {axis = 1 : i64} : tensor<2x3x!lowbit.odd<2>>, tensor<2x1x!lowbit.odd<2>> -> tensor<2x4x!lowbit.odd<2>>
  // CHECK-NEXT: lowbit.extract_slice %{{.*}} {starts = array<i64: 0, 3>, steps = array<i64: 1, -2>} : tensor<2x4x!lowbit.odd<2>> -> tensor<2x2x!lowbit.odd<2>>
  %1 = lowbit.extract_slice %0 {starts = array<i64: 0, 3>, steps = array<i64: 1, -2>} : tensor<2x4x!lowbit.odd<2>> -> tensor<2x2x!lowbit.odd<2>>
  // CHECK-NEXT: lowbit.repeat %{{.*}} {factors = array<i64: 1, 3>} : tensor<2x2x!lowbit.odd<2>> -> tensor<2x6x!lowbit.odd<2>>
  %2 = lowbit.repeat %1 {factors = array<i64: 1, 3>} : tensor<2x2x!lowbit.odd<2>> -> tensor<2x6x!lowbit.odd<2>>
  // CHECK-NEXT: lowbit.pad %{{.*}} {low = array<i64: 0, 2>, high = array<i64: 1, 1>, interior = array<i64: 1, 0>, value = -3 : i64} : tensor<2x6x!lowbit.odd<2>> -> tensor<4x9x!lowbit.odd<2>>
  %3 = lowbit.pad %2 {low = array<i64: 0, 2>, high = array<i64: 1, 1>, interior = array<i64: 1, 0>, value = -3 : i64} : tensor<2x6x!lowbit.odd<2>> -> tensor<4x9x!lowbit.odd<2>>
  // CHECK-NEXT: lowbit.pad %z {low = array<i64: 1>, high = array<i64: 0>, interior = array<i64: 0>, value = 0xff800000 : f32} : tensor<3xf32> -> tensor<4xf32>
  %4 = lowbit.pad %z {low = array<i64: 1>, high = array<i64: 0>, interior = array<i64: 0>, value = 0xff800000 : f32} : tensor<3xf32> -> tensor<4xf32>
  func.return %3, %4 : tensor<4x9x!lowbit.odd<2>>, tensor<4xf32>
}

// -----

// CHECK-LABEL: @moving_buffers
func.func @moving_buffers(%x: memref<2x3xi8>, %y: memref<1x3xi8>, %z: memref<3x3xi8>, %t: memref<6xf32>, %s: memref<3xf32>) {
  // CHECK-NEXT: lowbit.concat %x, %y outs(%z : memref<3x3xi8>) {axis = 0 : i64} : memref<2x3xi8>, memref<1x3xi8>
  lowbit.concat %x, %y outs(%z : memref<3x3xi8>) {axis = 0 : i64} : memref<2x3xi8>, memref<1x3xi8>
  // CHECK-NEXT: lowbit.extract_slice %z outs(%y : memref<1x3xi8>) {starts = array<i64: 2, 0>, steps = array<i64: 1, 1>} : memref<3x3xi8>
  lowbit.extract_slice %z outs(%y : memref<1x3xi8>) {starts = array<i64: 2, 0>, steps = array<i64: 1, 1>} : memref<3x3xi8>
  // CHECK-NEXT: lowbit.pad %y outs(%x : memref<2x3xi8>) {low = array<i64: 0, 0>, high = array<i64: 1, 0>, interior = array<i64: 0, 0>, value = 7 : i64} : memref<1x3xi8>
  lowbit.pad %y outs(%x : memref<2x3xi8>) {low = array<i64: 0, 0>, high = array<i64: 1, 0>, interior = array<i64: 0, 0>, value = 7 : i64} : memref<1x3xi8>
  // CHECK-NEXT: lowbit.repeat %s outs(%t : memref<6xf32>) {factors = array<i64: 2>} : memref<3xf32>
  lowbit.repeat %s outs(%t : memref<6xf32>) {factors = array<i64: 2>} : memref<3xf32>
  func.return
}

// -----

// CHECK-LABEL: @gathering_buffers
func.func @gathering_buffers(%x: memref<1x3x4x5x!lowbit.uint<1>>, %l: memref<1x5x18x!lowbit.uint<1>, #lowbit.layout<[d0, d1, planes, d2 by 32], i32>>, %y: memref<1x4x5x12x!lowbit.uint<1>>) {
  // CHECK-NEXT: lowbit.lines %x outs(%l : {{.*}}) {padding = array<i64: 1, 1, 0, 0>, format = "nchw"} : memref<1x3x4x5x!lowbit.uint<1>>
  lowbit.lines %x outs(%l : memref<1x5x18x!lowbit.uint<1>, #lowbit.layout<[d0, d1, planes, d2 by 32], i32>>) {padding = array<i64: 1, 1, 0, 0>, format = "nchw"} : memref<1x3x4x5x!lowbit.uint<1>>
  // CHECK-NEXT: lowbit.windows %l outs(%y : {{.*}}) {channels = 3 : i64, kernel = array<i64: 2, 2>} : memref<1x5x18x!lowbit.uint<1>, #lowbit.layout<[d0, d1, planes, d2 by 32], i32>>
  lowbit.windows %l outs(%y : memref<1x4x5x12x!lowbit.uint<1>>) {channels = 3 : i64, kernel = array<i64: 2, 2>} : memref<1x5x18x!lowbit.uint<1>, #lowbit.layout<[d0, d1, planes, d2 by 32], i32>>
  func.return
}

// -----

// CHECK-LABEL: @conv2d
func.func @conv2d(%x: tensor<1x9x7x6x!lowbit.uint<2>>, %w: tensor<3x3x3x8x!lowbit.odd<1>>, %t: tensor<8x3xi32>) -> tensor<1x5x5x8x!lowbit.int<2>> {
  // CHECK-NEXT: lowbit.conv2d %x, %w {strides = array<i64: 2, 1>, padding = array<i64: 1, 0, 2, 1>, groups = 2 : i64, pad_value = 1 : i64} : tensor<1x9x7x6x!lowbit.uint<2>>, tensor<3x3x3x8x!lowbit.odd<1>> -> tensor<1x5x6x8xi32>
  %0 = lowbit.conv2d %x, %w {strides = array<i64: 2, 1>, padding = array<i64: 1, 0, 2, 1>, groups = 2 : i64, pad_value = 1 : i64} : tensor<1x9x7x6x!lowbit.uint<2>>, tensor<3x3x3x8x!lowbit.odd<1>> -> tensor<1x5x6x8xi32>
  // CHECK: lowbit.conv2d %x, %w {{.*}}schedule = #lowbit.schedule<algorithm = direct, microkernel = popcount_xor, pixels = 4, vectors = 2, unroll = 2, taps = columns>{{.*}} epilogue {
  // CHECK-NEXT: ^bb0(%a: i32):
  // CHECK-NEXT: lowbit.threshold %a, %t : i32, tensor<8x3xi32> -> !lowbit.int<2>
  // CHECK-NEXT: lowbit.yield %{{.*}} : !lowbit.int<2>
  %1 = lowbit.conv2d %x, %w {strides = array<i64: 2, 1>, padding = array<i64: 1, 0, 1, 0>, groups = 2 : i64, schedule = #lowbit.schedule<algorithm = direct, microkernel = popcount_xor, pixels = 4, vectors = 2, unroll = 2, taps = columns>} epilogue {
  ^bb0(%a: i32):
    %c = lowbit.threshold %a, %t : i32, tensor<8x3xi32> -> !lowbit.int<2>
    lowbit.yield %c : !lowbit.int<2>
  } : tensor<1x9x7x6x!lowbit.uint<2>>, tensor<3x3x3x8x!lowbit.odd<1>> -> tensor<1x5x5x8x!lowbit.int<2>>
  func.return %1 : tensor<1x5x5x8x!lowbit.int<2>>
}

// -----

// CHECK-LABEL: @corrected
func.func @corrected(%x: tensor<2x6x4x5x!lowbit.int<4>>, %w: tensor<8x6x2x2x!lowbit.ternary>) -> tensor<2x8x5x5xi32> {
  // CHECK-NEXT: lowbit.corrections %w {activation = !lowbit.int<4>, size = array<i64: 4, 5>, {{.*}}pad_value = -8 : i64, format = "nchw"} : tensor<8x6x2x2x!lowbit.ternary> -> tensor<3x2x8xi32>
  %c = lowbit.corrections %w {activation = !lowbit.int<4>, size = array<i64: 4, 5>, padding = array<i64: 1, 0, 1, 1>, pad_value = -8 : i64, format = "nchw"} : tensor<8x6x2x2x!lowbit.ternary> -> tensor<3x2x8xi32>
  // CHECK-NEXT: lowbit.conv2d %x, %w corrections(%{{.*}} : tensor<3x2x8xi32>) {{{.*}}format = "nchw"} : tensor<2x6x4x5x!lowbit.int<4>>, tensor<8x6x2x2x!lowbit.ternary> -> tensor<2x8x5x5xi32>
  %0 = lowbit.conv2d %x, %w corrections(%c : tensor<3x2x8xi32>) {padding = array<i64: 1, 0, 1, 1>, pad_value = -8 : i64, format = "nchw"} : tensor<2x6x4x5x!lowbit.int<4>>, tensor<8x6x2x2x!lowbit.ternary> -> tensor<2x8x5x5xi32>
  func.return %0 : tensor<2x8x5x5xi32>
}

// -----

// CHECK-LABEL: @dense
func.func @dense(%x: tensor<3x70x!lowbit.uint<4>>, %w: tensor<70x10x!lowbit.int<4>>, %s: tensor<1xf32>, %f: tensor<3x70xf32>, %v: tensor<70x10xf32>) -> tensor<3x10xf32> {
  // CHECK-NEXT: lowbit.dense %x, %w : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  %0 = lowbit.dense %x, %w : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  // CHECK-NEXT: lowbit.dense %x, %w {range = array<i64: -9, 0>} : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  %ranged = lowbit.dense %x, %w {range = array<i64: -9, 0>} : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  // CHECK-NEXT: lowbit.dense %f, %v : tensor<3x70xf32>, tensor<70x10xf32> -> tensor<3x10xf32>
  %1 = lowbit.dense %f, %v : tensor<3x70xf32>, tensor<70x10xf32> -> tensor<3x10xf32>
  // CHECK-NEXT: lowbit.dense %x, %w epilogue {
  %2 = lowbit.dense %x, %w epilogue {
  ^bb0(%a: i32):
    %y = lowbit.requantize %a, %s : i32, tensor<1xf32> -> f32
    lowbit.yield %y : f32
  } : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xf32>
  func.return %2 : tensor<3x10xf32>
}

// -----

// CHECK-LABEL: @linear_on_buffers
func.func @linear_on_buffers(%x: memref<3x70x!lowbit.uint<4>>, %w: memref<70x10x!lowbit.int<4>>, %y: memref<3x10xi32>, %i: memref<1x5x5x3xi16>, %k: memref<3x3x3x4xi8>, %c: memref<1x1x4xi32>, %j: memref<1x3x3x4xi64>) {
  // CHECK-NEXT: lowbit.dense %x, %w outs(%y : memref<3x10xi32>) : memref<3x70x!lowbit.uint<4>>, memref<70x10x!lowbit.int<4>>
  lowbit.dense %x, %w outs(%y : memref<3x10xi32>) : memref<3x70x!lowbit.uint<4>>, memref<70x10x!lowbit.int<4>>
  // CHECK-NEXT: lowbit.conv2d %i, %k outs(%j : memref<1x3x3x4xi64>) {{.*}}: memref<1x5x5x3xi16>, memref<3x3x3x4xi8>
  lowbit.conv2d %i, %k outs(%j : memref<1x3x3x4xi64>) : memref<1x5x5x3xi16>, memref<3x3x3x4xi8>
  // CHECK-NEXT: lowbit.corrections %k outs(%c : memref<1x1x4xi32>) {activation = i16, size = array<i64: 5, 5>, {{.*}}products = "multiply"} : memref<3x3x3x4xi8>
  lowbit.corrections %k outs(%c : memref<1x1x4xi32>) {activation = i16, size = array<i64: 5, 5>, products = "multiply"} : memref<3x3x3x4xi8>
  func.return
}

// -----

// CHECK-LABEL: @elementwise
func.func @elementwise(%x: tensor<2x3x8xi32>, %t: tensor<8x1xi32>, %flip: tensor<8xi32>, %s: tensor<8xf32>, %row: tensor<3xf32>, %r: tensor<8xi32>, %h: tensor<8xi16>) -> tensor<2x3x8xi32> {
  // CHECK-NEXT: lowbit.threshold %x, %t flip(%flip : tensor<8xi32>) {{.*}}: tensor<2x3x8xi32>, tensor<8x1xi32> -> tensor<2x3x8x!lowbit.odd<1>>
  %0 = lowbit.threshold %x, %t flip(%flip : tensor<8xi32>) : tensor<2x3x8xi32>, tensor<8x1xi32> -> tensor<2x3x8x!lowbit.odd<1>>
  // CHECK-NEXT: lowbit.requantize %x, %s bias(%s : tensor<8xf32>) {{.*}}: tensor<2x3x8xi32>, tensor<8xf32> -> tensor<2x3x8xf32>
  %1 = lowbit.requantize %x, %s bias(%s : tensor<8xf32>) : tensor<2x3x8xi32>, tensor<8xf32> -> tensor<2x3x8xf32>
  // CHECK-NEXT: lowbit.mul %{{.*}}, %row {axis = 1 : i64} : tensor<2x3x8xf32>, tensor<3xf32> -> tensor<2x3x8xf32>
  %2 = lowbit.mul %1, %row {axis = 1 : i64} : tensor<2x3x8xf32>, tensor<3xf32> -> tensor<2x3x8xf32>
  // CHECK-NEXT: lowbit.div %{{.*}}, %s {{.*}}: tensor<2x3x8xf32>, tensor<8xf32> -> tensor<2x3x8xf32>
  %3 = lowbit.div %2, %s : tensor<2x3x8xf32>, tensor<8xf32> -> tensor<2x3x8xf32>
  // CHECK-NEXT: lowbit.batch_norm %{{.*}} gamma %s beta %s mean %s variance %s {{{.*}}epsilon = 1.000000e-05 : f32} : tensor<2x3x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<2x3x8xf32>
  %4 = lowbit.batch_norm %3 gamma %s beta %s mean %s variance %s {epsilon = 1.0e-5 : f32} : tensor<2x3x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<2x3x8xf32>
  // CHECK-NEXT: lowbit.clip %{{.*}} {minimum = 0.000000e+00 : f32, maximum = 6.000000e+00 : f32} : tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  %5 = lowbit.clip %4 {minimum = 0.0 : f32, maximum = 6.0 : f32} : tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  // CHECK-NEXT: lowbit.quantize %{{.*}}, %s {zero_point = 1 : i64, rounding = "floor", minimum = 1 : i64, maximum = 4 : i64} : tensor<2x3x8xf32>, tensor<8xf32> -> tensor<2x3x8x!lowbit.uint<2>>
  %6 = lowbit.quantize %5, %s {zero_point = 1 : i64, rounding = "floor", minimum = 1 : i64, maximum = 4 : i64} : tensor<2x3x8xf32>, tensor<8xf32> -> tensor<2x3x8x!lowbit.uint<2>>
  // CHECK-NEXT: lowbit.add %{{.*}}, %{{.*}} : tensor<2x3x8x!lowbit.uint<2>>, tensor<2x3x8x!lowbit.odd<1>> -> tensor<2x3x8xi32>
  %7 = lowbit.add %6, %0 : tensor<2x3x8x!lowbit.uint<2>>, tensor<2x3x8x!lowbit.odd<1>> -> tensor<2x3x8xi32>
  // CHECK-NEXT: lowbit.add %{{.*}}, %r : tensor<2x3x8x!lowbit.uint<2>>, tensor<8xi32> -> tensor<2x3x8xi32>
  %8 = lowbit.add %6, %r : tensor<2x3x8x!lowbit.uint<2>>, tensor<8xi32> -> tensor<2x3x8xi32>
  // CHECK-NEXT: lowbit.mul %{{.*}}, %{{.*}} : tensor<2x3x8xf32>, tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  %9 = lowbit.mul %4, %5 : tensor<2x3x8xf32>, tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  // CHECK-NEXT: lowbit.div %{{.*}}, %{{.*}} : tensor<2x3x8xf32>, tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  %10 = lowbit.div %9, %5 : tensor<2x3x8xf32>, tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  // CHECK-NEXT: lowbit.prelu %{{.*}}, %row {axis = 1 : i64} : tensor<2x3x8xf32>, tensor<3xf32> -> tensor<2x3x8xf32>
  %11 = lowbit.prelu %10, %row {axis = 1 : i64} : tensor<2x3x8xf32>, tensor<3xf32> -> tensor<2x3x8xf32>
  // CHECK-NEXT: lowbit.apply "sigmoid" %{{.*}} : tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  %12 = lowbit.apply "sigmoid" %11 : tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  // CHECK-NEXT: lowbit.apply "hard_sigmoid" %{{.*}} {alpha = 2.500000e-01 : f32, beta = 5.000000e-01 : f32} : tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  %13 = lowbit.apply "hard_sigmoid" %12 {alpha = 0.25 : f32, beta = 0.5 : f32} : tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  // CHECK-NEXT: lowbit.rescale %x, %h, %h, %h, %h, %h {left = 3 : i64} : tensor<2x3x8xi32>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16> -> tensor<2x3x8x!lowbit.int<4>>
  %14 = lowbit.rescale %x, %h, %h, %h, %h, %h {left = 3 : i64} : tensor<2x3x8xi32>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16> -> tensor<2x3x8x!lowbit.int<4>>
  func.return %7 : tensor<2x3x8xi32>
}

// -----

// CHECK-LABEL: @elementwise_on_buffers
func.func @elementwise_on_buffers(%x: memref<4x8xi32>, %t: memref<8x1xi32>, %s: memref<8xf32>, %c: memref<4x8x!lowbit.odd<1>>, %f: memref<4x8xf32>, %h: memref<8xi16>, %q: memref<4x8x!lowbit.int<4>>) {
  // CHECK-NEXT: lowbit.threshold %x, %t outs(%c : memref<4x8x!lowbit.odd<1>>) {{.*}}: memref<4x8xi32>, memref<8x1xi32>
  lowbit.threshold %x, %t outs(%c : memref<4x8x!lowbit.odd<1>>) : memref<4x8xi32>, memref<8x1xi32>
  // CHECK-NEXT: lowbit.requantize %x, %s outs(%f : memref<4x8xf32>)
  lowbit.requantize %x, %s outs(%f : memref<4x8xf32>) : memref<4x8xi32>, memref<8xf32>
  // CHECK-NEXT: lowbit.rescale %x, %h, %h, %h, %h, %h outs(%q : memref<4x8x!lowbit.int<4>>) {left = 3 : i64} : memref<4x8xi32>, memref<8xi16>, memref<8xi16>, memref<8xi16>, memref<8xi16>, memref<8xi16>
  lowbit.rescale %x, %h, %h, %h, %h, %h outs(%q : memref<4x8x!lowbit.int<4>>) {left = 3 : i64} : memref<4x8xi32>, memref<8xi16>, memref<8xi16>, memref<8xi16>, memref<8xi16>, memref<8xi16>
  // CHECK-NEXT: lowbit.mul %f, %s outs(%f : memref<4x8xf32>)
  lowbit.mul %f, %s outs(%f : memref<4x8xf32>) : memref<4x8xf32>, memref<8xf32>
  // CHECK-NEXT: lowbit.div %f, %s outs(%f : memref<4x8xf32>)
  lowbit.div %f, %s outs(%f : memref<4x8xf32>) : memref<4x8xf32>, memref<8xf32>
  // CHECK-NEXT: lowbit.batch_norm %f gamma %s beta %s mean %s variance %s outs(%f : memref<4x8xf32>)
  lowbit.batch_norm %f gamma %s beta %s mean %s variance %s outs(%f : memref<4x8xf32>) {epsilon = 1.0e-5 : f32} : memref<4x8xf32>, memref<8xf32>, memref<8xf32>, memref<8xf32>, memref<8xf32>
  // CHECK-NEXT: lowbit.clip %f outs(%f : memref<4x8xf32>)
  lowbit.clip %f outs(%f : memref<4x8xf32>) {minimum = 0.0 : f32} : memref<4x8xf32>
  // CHECK-NEXT: lowbit.apply "exp" %f outs(%f : memref<4x8xf32>) {{.*}}: memref<4x8xf32>
  lowbit.apply "exp" %f outs(%f : memref<4x8xf32>) : memref<4x8xf32>
  // CHECK-NEXT: lowbit.prelu %f, %s outs(%f : memref<4x8xf32>)
  lowbit.prelu %f, %s outs(%f : memref<4x8xf32>) : memref<4x8xf32>, memref<8xf32>
  // CHECK-NEXT: lowbit.quantize %f, %s outs(%c : memref<4x8x!lowbit.odd<1>>)
  lowbit.quantize %f, %s outs(%c : memref<4x8x!lowbit.odd<1>>) : memref<4x8xf32>, memref<8xf32>
  // CHECK-NEXT: lowbit.add %c, %c outs(%x : memref<4x8xi32>)
  lowbit.add %c, %c outs(%x : memref<4x8xi32>) : memref<4x8x!lowbit.odd<1>>, memref<4x8x!lowbit.odd<1>>
  func.return
}

// -----

// CHECK-LABEL: @pools
func.func @pools(%x: tensor<1x9x8x4x!lowbit.int<4>>, %n: tensor<1x4x6x6xf32>) -> tensor<1x4x2x2xf32> {
  // CHECK-NEXT: lowbit.max_pool %x {kernel = array<i64: 3, 2>, strides = array<i64: 2, 2>, padding = array<i64: 1, 0, 1, 1>} : tensor<1x9x8x4x!lowbit.int<4>> -> tensor<1x5x4x4x!lowbit.int<4>>
  %0 = lowbit.max_pool %x {kernel = array<i64: 3, 2>, strides = array<i64: 2, 2>, padding = array<i64: 1, 0, 1, 1>} : tensor<1x9x8x4x!lowbit.int<4>> -> tensor<1x5x4x4x!lowbit.int<4>>
  // CHECK-NEXT: lowbit.avg_pool %x {kernel = array<i64: 9, 8>, divisor = 1 : i64} : tensor<1x9x8x4x!lowbit.int<4>> -> tensor<1x1x1x4xi32>
  %1 = lowbit.avg_pool %x {kernel = array<i64: 9, 8>, divisor = 1 : i64} : tensor<1x9x8x4x!lowbit.int<4>> -> tensor<1x1x1x4xi32>
  // CHECK-NEXT: lowbit.avg_pool %n {kernel = array<i64: 3, 3>, strides = array<i64: 3, 3>, format = "nchw"} : tensor<1x4x6x6xf32> -> tensor<1x4x2x2xf32>
  %2 = lowbit.avg_pool %n {kernel = array<i64: 3, 3>, strides = array<i64: 3, 3>, format = "nchw"} : tensor<1x4x6x6xf32> -> tensor<1x4x2x2xf32>
  func.return %2 : tensor<1x4x2x2xf32>
}

// -----

// CHECK-LABEL: @pools_on_buffers
func.func @pools_on_buffers(%x: memref<1x4x4x8xi32>, %y: memref<1x2x2x8xi32>) {
  // CHECK-NEXT: lowbit.max_pool %x outs(%y : memref<1x2x2x8xi32>) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : memref<1x4x4x8xi32>
  lowbit.max_pool %x outs(%y : memref<1x2x2x8xi32>) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : memref<1x4x4x8xi32>
  // CHECK-NEXT: lowbit.avg_pool %x outs(%y : memref<1x2x2x8xi32>) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : memref<1x4x4x8xi32>
  lowbit.avg_pool %x outs(%y : memref<1x2x2x8xi32>) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : memref<1x4x4x8xi32>
  func.return
}

// -----

// CHECK-LABEL: @tile
func.func @tile(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 64], i64>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 4, d0 by 64, planes, d1 in 4], i64>>, %y: memref<3x8xi32>, %at: index, %c: memref<1x1x8xi32>) {
  // CHECK-NEXT: lowbit.tile "popcount" at(%at, %at, %at, %at, %at) rows(%at, %at) columns(%at, %at) ins(%x : {{.*}}) weights(%w : {{.*}}) corrections(%c : memref<1x1x8xi32>) classes(%at, %at) outs(%y : memref<3x8xi32>)
  lowbit.tile "popcount" at (%at, %at, %at, %at, %at) rows (%at, %at) columns (%at, %at) ins (%x : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 64], i64>>) weights (%w : memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 4, d0 by 64, planes, d1 in 4], i64>>) corrections (%c : memref<1x1x8xi32>) classes (%at, %at) outs (%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 4 : i64, groups = 1 : i64, unroll = 1 : i64, taps = "none", columns = array<i64>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>} epilogue {
  ^bb0(%a: i32):
    lowbit.yield %a : i32
  }
  func.return
}

// -----

// CHECK-LABEL: @rows
func.func @rows(%x: tensor<2x3x8xf32>) -> tensor<2x3x4xi32> {
  // CHECK-NEXT: lowbit.reduce "mean" %x : tensor<2x3x8xf32> -> tensor<2x3x1xf32>
  %0 = lowbit.reduce "mean" %x : tensor<2x3x8xf32> -> tensor<2x3x1xf32>
  // CHECK-NEXT: lowbit.top_k %x : tensor<2x3x8xf32> -> tensor<2x3x4xi32>
  %1 = lowbit.top_k %x : tensor<2x3x8xf32> -> tensor<2x3x4xi32>
  // CHECK-NEXT: lowbit.top_k %x {smallest} : tensor<2x3x8xf32> -> tensor<2x3x1xf32>
  %2 = lowbit.top_k %x {smallest} : tensor<2x3x8xf32> -> tensor<2x3x1xf32>
  func.return %1 : tensor<2x3x4xi32>
}

// -----

// CHECK-LABEL: @rows_on_buffers
func.func @rows_on_buffers(%x: memref<3x8xf32>, %y: memref<3x1xf32>, %i: memref<3x2xi32>) {
  // CHECK-NEXT: lowbit.reduce "max" %x outs(%y : memref<3x1xf32>) : memref<3x8xf32>
  lowbit.reduce "max" %x outs(%y : memref<3x1xf32>) : memref<3x8xf32>
  // CHECK-NEXT: lowbit.top_k %x outs(%i : memref<3x2xi32>) : memref<3x8xf32>
  lowbit.top_k %x outs(%i : memref<3x2xi32>) : memref<3x8xf32>
  func.return
}
