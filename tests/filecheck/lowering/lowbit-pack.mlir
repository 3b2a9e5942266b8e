// RUN: lowbit-opt %s -p 'lowbit-plan{target="x86-64-v3"},lowbit-pack{target="x86-64-v3"}' --split-input-file | filecheck %s

// CHECK-LABEL: @arguments
// CHECK-DAG:     %corrections = lowbit.corrections %w
// CHECK-DAG:     %w_packed = lowbit.bitpack %w : tensor<64x16x!lowbit.odd<1>> -> tensor<64x16x!lowbit.odd<1>, #lowbit.layout<[d1 by 16, planes, d0 by 32, d1 in 16], i32>>
// CHECK-DAG:     %x_packed = lowbit.bitpack %x : tensor<3x64x!lowbit.uint<1>> -> tensor<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>
// CHECK:         lowbit.dense %x_packed, %w_packed corrections(%corrections
func.func @arguments(%x: tensor<3x64x!lowbit.uint<1>>, %w: tensor<64x16x!lowbit.odd<1>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8, vectors = 2>} : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
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

// What depends on an argument that stays the same is packed ahead, and how to call both is noted.

// CHECK:       builtin.module attributes {lowbit.target = "x86-64-v3"}
// CHECK:       func.func @ahead_pack(%w: tensor<64x16x!lowbit.odd<1>> {lowbit.constant, lowbit.name = "w"})
// CHECK-SAME:      attributes {lowbit.packing = "{{[0-9a-f]*}}"}
// CHECK:         lowbit.bitpack %w
// CHECK:       func.func @ahead(%x: {{.*}}, %{{.*}} {lowbit.packed = 0 : i64, lowbit.name = "corrections"}, %{{.*}} {lowbit.packed = 1 : i64, lowbit.name = "w_packed"})
// CHECK-SAME:      -> (tensor<3x16xi32> {lowbit.name = "y"})
// CHECK-SAME:      lowbit.inputs = [{name = "x", type = tensor<3x64x!lowbit.uint<1>>}, {name = "w", type = tensor<64x16x!lowbit.odd<1>>, constant}]
// CHECK-SAME:      lowbit.schedules = [{op = "dense %y", schedule = #lowbit.schedule<algorithm = direct
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
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8, vectors = 2>} : tensor<3x64x!lowbit.uint<1>>, tensor<64x16x!lowbit.odd<1>> -> tensor<3x16xi32>
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
// CHECK:         [[C:%.*]] = lowbit.corrections %w {{.*}}products = "offset_16"
// CHECK:         lowbit.dense %x, {{.*}} corrections([[C]] : {{.*}}products = "offset_16"
// CHECK-SAME:      microkernel = dot_s5s8x8
func.func @signed(%x: tensor<3x64x!lowbit.int<4>>, %w: tensor<64x16x!lowbit.int<4>>) -> tensor<3x16xi32> {
  %y = lowbit.dense %x, %w : tensor<3x64x!lowbit.int<4>>, tensor<64x16x!lowbit.int<4>> -> tensor<3x16xi32>
  func.return %y : tensor<3x16xi32>
}

// -----

// Where i16 holds the sums, it holds what corrects them, and steps of codes become lines.

// CHECK-LABEL: @in_halves
// CHECK:         lowbit.dense %x, {{.*}} corrections({{.*}} : tensor<1x1x16xi16, #lowbit.layout<[d0, d1, d2 by 16, d2 in 16], i16>>)
// CHECK-SAME:      products = "offset_16", schedule = #lowbit.schedule<algorithm = direct, microkernel = dot2_s5s8x16
// CHECK:           lowbit.rescale %{{.*}}, %low{{.*}}, %high{{.*}}, %multiplier{{.*}}, %offset{{.*}}, %unit{{.*}} {left = 10 : i64}
func.func @in_halves(%x: tensor<3x4x!lowbit.int<4>>) -> tensor<3x16x!lowbit.uint<4>> {
  %w = lowbit.constant dense<1> : tensor<4x16xi32> -> tensor<4x16x!lowbit.int<4>>
  %scale = lowbit.constant dense<0.37> : tensor<1xf32> -> tensor<1xf32>
  %y = lowbit.dense %x, %w {schedule = #lowbit.schedule<microkernel = dot2_s5s8x16>} epilogue {
  ^bb0(%sum: i32):
    %code = lowbit.requantize %sum, %scale : i32, tensor<1xf32> -> !lowbit.uint<4>
    lowbit.yield %code : !lowbit.uint<4>
  } : tensor<3x4x!lowbit.int<4>>, tensor<4x16x!lowbit.int<4>> -> tensor<3x16x!lowbit.uint<4>>
  func.return %y : tensor<3x16x!lowbit.uint<4>>
}

// -----

// Windows of what comes in planes are gathered from planes: 27 bits a pixel, in one word instead of nine.

// CHECK-LABEL: @gathered
// CHECK-DAG:     %flat = lowbit.reshape %w : tensor<3x3x3x16x!lowbit.odd<1>> -> tensor<1x1x27x16x!lowbit.odd<1>>
// CHECK-DAG:     %lines = lowbit.lines %x {padding = array<i64: 1, 1, 1, {{[0-9]+}}>, pad_value = 1 : i64} : {{.*}} -> tensor<1x6x{{[0-9]+}}x!lowbit.uint<1>, #lowbit.layout<[d0, d1, planes, d2 by 32], i32>>
// CHECK-DAG:     %windows = lowbit.windows %lines {channels = 3 : i64, kernel = array<i64: 3, 3>} : {{.*}} -> tensor<1x4x5x27x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>
// CHECK:         lowbit.conv2d %windows, %flat_packed corrections({{.*}}) {{{.*}}schedule = #lowbit.schedule<algorithm = im2col, microkernel = popcount_bytes_32x8
func.func @gathered(%x: tensor<1x4x5x3x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, %w: tensor<3x3x3x16x!lowbit.odd<1>>) -> tensor<1x4x5x16xi32> {
  %y = lowbit.conv2d %x, %w {padding = array<i64: 1, 1, 1, 1>, pad_value = 1 : i64, schedule = #lowbit.schedule<algorithm = im2col, microkernel = popcount_bytes_32x8>} : tensor<1x4x5x3x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, tensor<3x3x3x16x!lowbit.odd<1>> -> tensor<1x4x5x16xi32>
  func.return %y : tensor<1x4x5x16xi32>
}

// -----

// No code of odd<1> is 0: windows hold -1 on padding, and what each border lacks is corrected.

// CHECK-LABEL: @filled
// CHECK:         %[[TERMS:corrections[_0-9]*]] = lowbit.corrections %w {{{.*}}padding = array<i64: 1, 1, 1, 1>, {{.*}}fill = -1 : i64{{.*}} -> tensor<3x3x16xi32{{.*}}>
// CHECK:         lowbit.lines %x{{.*}} {padding = array<i64: 1, 1, 1, {{[0-9]+}}>, pad_value = -1 : i64}
// CHECK:         lowbit.conv2d %windows, %flat_packed corrections(%{{.*}} : tensor<3x3x16xi32{{.*}}>) {{{.*}}edges = array<i64: 1, 1, 1, 1>
func.func @filled(%x: tensor<1x4x5x64x!lowbit.odd<1>>, %w: tensor<3x3x64x16x!lowbit.odd<1>>) -> tensor<1x4x5x16xi32> {
  %y = lowbit.conv2d %x, %w {padding = array<i64: 1, 1, 1, 1>, schedule = #lowbit.schedule<algorithm = im2col, microkernel = popcount_bytes_32x8>} : tensor<1x4x5x64x!lowbit.odd<1>>, tensor<3x3x64x16x!lowbit.odd<1>> -> tensor<1x4x5x16xi32>
  func.return %y : tensor<1x4x5x16xi32>
}

// -----

// Channels first: the input is turned round before it is packed, the first layer writes planes, the last one is
// turned back.

// CHECK-LABEL: @channels_first
// CHECK:         %x_turned = lowbit.relayout %x : tensor<1x64x5x5x!lowbit.uint<1>> -> tensor<1x64x5x5x!lowbit.uint<1>, #lowbit.layout<[d0, d2, d3, d1], i8>>
// CHECK-NEXT:    %x_turned_packed = lowbit.bitpack %x_turned : {{.*}} -> tensor<1x64x5x5x!lowbit.uint<1>, #lowbit.layout<[d0, d2, d3, planes, d1 by 32], i32>>
// CHECK:         %[[FIRST:[0-9]+]] = lowbit.conv2d %x_turned_packed
// CHECK:         -> tensor<1x64x5x5x!lowbit.uint<1>, #lowbit.layout<[d0, d2, d3, planes, d1 by 32], i32>>
// CHECK-NEXT:    %[[SECOND:[0-9]+]] = lowbit.conv2d %[[FIRST]]
// CHECK-NEXT:    lowbit.relayout %[[SECOND]] : tensor<1x64x5x5xi32, #lowbit.layout<[d0, d2, d3, d1], i32>> -> tensor<1x64x5x5xi32>
func.func @channels_first(%x: tensor<1x64x5x5x!lowbit.uint<1>>, %w: tensor<64x64x1x1x!lowbit.uint<1>>) -> tensor<1x64x5x5xi32> {
  %t = lowbit.constant dense<7> : tensor<1x1xi32> -> tensor<1x1xi32>
  %0 = lowbit.conv2d %x, %w {format = "nchw", schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8, vectors = 2>} epilogue {
  ^bb0(%a: i32):
    %c = lowbit.threshold %a, %t : i32, tensor<1x1xi32> -> !lowbit.uint<1>
    lowbit.yield %c : !lowbit.uint<1>
  } : tensor<1x64x5x5x!lowbit.uint<1>>, tensor<64x64x1x1x!lowbit.uint<1>> -> tensor<1x64x5x5x!lowbit.uint<1>>
  %1 = lowbit.conv2d %0, %w {format = "nchw", schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8, vectors = 2>} : tensor<1x64x5x5x!lowbit.uint<1>>, tensor<64x64x1x1x!lowbit.uint<1>> -> tensor<1x64x5x5xi32>
  func.return %1 : tensor<1x64x5x5xi32>
}

// -----

// A single tap that skips pixels has only those packed that it reads; planes as they lie are read in place.

// CHECK-LABEL: @skipping
// CHECK:         %windows = lowbit.subsample %x {strides = array<i64: 2, 2>} : tensor<1x5x5x64x!lowbit.uint<1>> -> tensor<1x3x3x64x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>
// CHECK:         lowbit.conv2d %windows, %flat_packed {{{.*}}algorithm = im2col, microkernel = popcount_bytes_32x8
// CHECK:         lowbit.conv2d %y, %w_packed {strides = array<i64: 2, 2>, {{.*}}algorithm = direct, microkernel = popcount_bytes_32x8
func.func @skipping(%x: tensor<1x5x5x64x!lowbit.uint<1>>, %y: tensor<1x5x5x64x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, %w: tensor<1x1x64x64x!lowbit.uint<1>>) -> (tensor<1x3x3x64xi32>, tensor<1x3x3x64xi32>) {
  %0 = lowbit.conv2d %x, %w {strides = array<i64: 2, 2>, schedule = #lowbit.schedule<algorithm = im2col, microkernel = popcount_bytes_32x8, vectors = 2>} : tensor<1x5x5x64x!lowbit.uint<1>>, tensor<1x1x64x64x!lowbit.uint<1>> -> tensor<1x3x3x64xi32>
  %1 = lowbit.conv2d %y, %w {strides = array<i64: 2, 2>, schedule = #lowbit.schedule<algorithm = direct, microkernel = popcount_bytes_32x8, vectors = 2>} : tensor<1x5x5x64x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, tensor<1x1x64x64x!lowbit.uint<1>> -> tensor<1x3x3x64xi32>
  func.return %0, %1 : tensor<1x3x3x64xi32>, tensor<1x3x3x64xi32>
}

// -----

// Bytes are gathered as bytes, by the default of a first layer; lines without padding are rows as they lie.

// CHECK-LABEL: @first
// CHECK-DAG:     %lines = lowbit.reshape %x : tensor<1x9x9x1x!lowbit.uint<8>> -> tensor<1x9x9x!lowbit.uint<8>>
// CHECK:         lowbit.windows %lines {{.*}} -> tensor<1x7x7x9x!lowbit.uint<8>, #lowbit.layout<[d0, d1, d2, d3 by 2, d3 in 2], i8>>
// CHECK:         lowbit.conv2d %windows, %flat_packed {{{.*}}algorithm = im2col, microkernel = dot2_u8s8x16
func.func @first(%x: tensor<1x9x9x1x!lowbit.uint<8>>, %w: tensor<3x3x1x32x!lowbit.odd<1>>) -> tensor<1x7x7x32xi32> {
  %y = lowbit.conv2d %x, %w : tensor<1x9x9x1x!lowbit.uint<8>>, tensor<3x3x1x32x!lowbit.odd<1>> -> tensor<1x7x7x32xi32>
  func.return %y : tensor<1x7x7x32xi32>
}

// -----

// What thresholds promise is derived anew: nothing is known of arguments, and all of constants.

// CHECK-LABEL: @promises
// CHECK:         lowbit.threshold %x, %t :
// CHECK:         lowbit.threshold %x, %c {ascending} :
func.func @promises(%x: tensor<4x8xi32>, %t: tensor<1x3xi32>) -> (tensor<4x8x!lowbit.uint<2>>, tensor<4x8x!lowbit.uint<2>>) {
  %0 = lowbit.threshold %x, %t {ascending, bounded} : tensor<4x8xi32>, tensor<1x3xi32> -> tensor<4x8x!lowbit.uint<2>>
  %c = lowbit.constant dense<[[1, 2, 3]]> : tensor<1x3xi32> -> tensor<1x3xi32>
  %1 = lowbit.threshold %x, %c : tensor<4x8xi32>, tensor<1x3xi32> -> tensor<4x8x!lowbit.uint<2>>
  func.return %0, %1 : tensor<4x8x!lowbit.uint<2>>, tensor<4x8x!lowbit.uint<2>>
}

// -----

// Channels within other axes are those of an image.

// CHECK-LABEL: @channel_axis
// CHECK:         %[[IMAGE:.*]] = lowbit.reshape %x : tensor<2x5x3xi32> -> tensor<2x5x1x3xi32>
// CHECK-NEXT:    %[[TURNED:.*]] = lowbit.relayout %[[IMAGE]] : {{.*}}[d0, d2, d3, d1], i32
// CHECK-NEXT:    %[[SUM:.*]] = lowbit.add %[[TURNED]], {{.*}} {axis = 1 : i64}
// CHECK-NEXT:    %[[BACK:.*]] = lowbit.relayout %[[SUM]] :
// CHECK-NEXT:    lowbit.reshape %[[BACK]] : tensor<2x5x1x3xi32> -> tensor<2x5x3xi32>
func.func @channel_axis(%x: tensor<2x5x3xi32>, %b: tensor<5xi32>) -> tensor<2x5x3xi32> {
  %y = lowbit.add %x, %b {axis = 1 : i64} : tensor<2x5x3xi32>, tensor<5xi32> -> tensor<2x5x3xi32>
  func.return %y : tensor<2x5x3xi32>
}

// -----

// Sums are bounded by their products, unless corrections are given that may be anything.

// CHECK-LABEL: @sums
// CHECK:         lowbit.threshold {{.*}} {bounded, ascending}
// CHECK:         lowbit.threshold {{.*}} {ascending}
func.func @sums(%x: tensor<4x32x!lowbit.uint<1>>, %w: tensor<32x8x!lowbit.odd<1>>, %c: tensor<1x1x8xi32>) -> (tensor<4x8x!lowbit.uint<1>>, tensor<4x8x!lowbit.uint<1>>) {
  %t = lowbit.constant dense<2147483647> : tensor<1x1xi32> -> tensor<1x1xi32>
  %0 = lowbit.dense %x, %w epilogue {
  ^bb0(%a: i32):
    %q = lowbit.threshold %a, %t : i32, tensor<1x1xi32> -> !lowbit.uint<1>
    lowbit.yield %q : !lowbit.uint<1>
  } : tensor<4x32x!lowbit.uint<1>>, tensor<32x8x!lowbit.odd<1>> -> tensor<4x8x!lowbit.uint<1>>
  %1 = lowbit.dense %x, %w corrections(%c : tensor<1x1x8xi32>) epilogue {
  ^bb0(%a: i32):
    %q = lowbit.threshold %a, %t : i32, tensor<1x1xi32> -> !lowbit.uint<1>
    lowbit.yield %q : !lowbit.uint<1>
  } : tensor<4x32x!lowbit.uint<1>>, tensor<32x8x!lowbit.odd<1>> -> tensor<4x8x!lowbit.uint<1>>
  func.return %0, %1 : tensor<4x8x!lowbit.uint<1>>, tensor<4x8x!lowbit.uint<1>>
}
