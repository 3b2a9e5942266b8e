// RUN: lowbit-opt %s -p 'lowbit-fuse' --split-input-file | filecheck %s

// A scale and a quantiser become thresholds: 0.5 x is 1 at 2, 2 at 3 (1.5 ties to even) and still at 5 (2.5 does too).

// CHECK-LABEL: @chain
// CHECK-NEXT:    %thresholds = lowbit.constant dense<{{\[\[}}2, 3, 6]]> : tensor<1x3xi32> -> tensor<1x3xi32>
// CHECK-NOT:     requantize
// CHECK-NOT:     quantize
// CHECK:         lowbit.dense %x, %w epilogue {
// CHECK-NEXT:    ^bb0(%accumulator: i32):
// CHECK-NEXT:      %{{.*}} = lowbit.threshold %accumulator, %thresholds : i32, tensor<1x3xi32> -> !lowbit.uint<2>
// CHECK-NEXT:      lowbit.yield %{{.*}} : !lowbit.uint<2>
func.func @chain(%x: tensor<2x8x!lowbit.uint<2>>, %w: tensor<8x1x!lowbit.odd<1>>) -> tensor<2x1x!lowbit.uint<2>> {
  %s = lowbit.constant dense<0.5> : tensor<1xf32> -> tensor<1xf32>
  %t = lowbit.constant dense<1.0> : tensor<1xf32> -> tensor<1xf32>
  %y = lowbit.dense %x, %w : tensor<2x8x!lowbit.uint<2>>, tensor<8x1x!lowbit.odd<1>> -> tensor<2x1xi32>
  %r = lowbit.requantize %y, %s : tensor<2x1xi32>, tensor<1xf32> -> tensor<2x1xf32>
  %q = lowbit.quantize %r, %t : tensor<2x1xf32>, tensor<1xf32> -> tensor<2x1x!lowbit.uint<2>>
  func.return %q : tensor<2x1x!lowbit.uint<2>>
}

// -----

// A channel of a negative scale descends, and gets a flip.

// CHECK-LABEL: @flip
// CHECK:         %flip = lowbit.constant dense<[0, -1]> : tensor<2xi32> -> tensor<2xi32>
// CHECK:         lowbit.threshold %accumulator, %thresholds flip(%flip : tensor<2xi32>)
func.func @flip(%x: tensor<2x8x!lowbit.uint<2>>, %w: tensor<8x2x!lowbit.odd<1>>) -> tensor<2x2x!lowbit.odd<1>> {
  %s = lowbit.constant dense<[0.5, -0.5]> : tensor<2xf32> -> tensor<2xf32>
  %t = lowbit.constant dense<1.0> : tensor<1xf32> -> tensor<1xf32>
  %y = lowbit.dense %x, %w : tensor<2x8x!lowbit.uint<2>>, tensor<8x2x!lowbit.odd<1>> -> tensor<2x2xi32>
  %r = lowbit.requantize %y, %s : tensor<2x2xi32>, tensor<2xf32> -> tensor<2x2xf32>
  %q = lowbit.quantize %r, %t : tensor<2x2xf32>, tensor<1xf32> -> tensor<2x2x!lowbit.odd<1>>
  func.return %q : tensor<2x2x!lowbit.odd<1>>
}

// -----

// Seven steps or more are one line, where a scale and a bias give the same codes.

// CHECK-LABEL: @eight_bits
// CHECK:         epilogue {
// CHECK-NEXT:    ^bb0(%accumulator: i32):
// CHECK-NEXT:      [[R:%.*]] = lowbit.requantize %accumulator, %scale bias(%bias : tensor<1xf32>) {{.*}} -> !lowbit.uint<8>
// CHECK-NEXT:      lowbit.yield [[R]]
func.func @eight_bits(%x: tensor<2x8x!lowbit.uint<2>>, %w: tensor<8x1x!lowbit.odd<1>>) -> tensor<2x1x!lowbit.uint<8>> {
  %s = lowbit.constant dense<0.5> : tensor<1xf32> -> tensor<1xf32>
  %y = lowbit.dense %x, %w : tensor<2x8x!lowbit.uint<2>>, tensor<8x1x!lowbit.odd<1>> -> tensor<2x1xi32>
  %r = lowbit.requantize %y, %s : tensor<2x1xi32>, tensor<1xf32> -> tensor<2x1xf32>
  %q = lowbit.quantize %r, %s : tensor<2x1xf32>, tensor<1xf32> -> tensor<2x1x!lowbit.uint<8>>
  func.return %q : tensor<2x1x!lowbit.uint<8>>
}

// -----

// More than 15 steps that are no line are cheaper to evaluate than to compare.

// CHECK-LABEL: @eight_odd_bits
// CHECK:         epilogue {
// CHECK-NEXT:    ^bb0(%accumulator: i32):
// CHECK-NEXT:      [[R:%.*]] = lowbit.requantize %accumulator
// CHECK-NEXT:      lowbit.quantize [[R]]
func.func @eight_odd_bits(%x: tensor<2x8x!lowbit.uint<2>>, %w: tensor<8x1x!lowbit.odd<1>>) -> tensor<2x1x!lowbit.odd<8>> {
  %s = lowbit.constant dense<0.5> : tensor<1xf32> -> tensor<1xf32>
  %y = lowbit.dense %x, %w : tensor<2x8x!lowbit.uint<2>>, tensor<8x1x!lowbit.odd<1>> -> tensor<2x1xi32>
  %r = lowbit.requantize %y, %s : tensor<2x1xi32>, tensor<1xf32> -> tensor<2x1xf32>
  %q = lowbit.quantize %r, %s : tensor<2x1xf32>, tensor<1xf32> -> tensor<2x1x!lowbit.odd<8>>
  func.return %q : tensor<2x1x!lowbit.odd<8>>
}

// -----

// An accumulator with two users is stored, and its users stay where they are.

// CHECK-LABEL: @two_users
// CHECK-NOT:     epilogue
// CHECK:         lowbit.clip
func.func @two_users(%x: tensor<2x8x!lowbit.uint<2>>, %w: tensor<8x1x!lowbit.odd<1>>) -> (tensor<2x1xi32>, tensor<2x1xi32>) {
  %y = lowbit.dense %x, %w : tensor<2x8x!lowbit.uint<2>>, tensor<8x1x!lowbit.odd<1>> -> tensor<2x1xi32>
  %r = lowbit.clip %y {minimum = 0 : i32} : tensor<2x1xi32> -> tensor<2x1xi32>
  func.return %y, %r : tensor<2x1xi32>, tensor<2x1xi32>
}
