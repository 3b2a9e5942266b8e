// What the verifiers say: each program is refused with exactly the sentence at its head.

// ERROR: lowbit.odd has 1 to 8 bits, not 9
func.func @too_many_bits(%x: tensor<4x!lowbit.odd<9>>) {
  func.return
}

// -----

// ERROR: holds 4, which is no value of !lowbit.uint<2>
func.func @constant_off_the_code() {
  %0 = lowbit.constant dense<[1, 4]> : tensor<2xi8> -> tensor<2x!lowbit.uint<2>>
  func.return
}

// -----

// ERROR: holds -1, which is no value of !lowbit.uint<8>: i8 ends at 127, use i16
func.func @constant_of_bytes() {
  %0 = lowbit.constant dense<255> : tensor<2xi8> -> tensor<2x!lowbit.uint<8>>
  func.return
}

// -----

// ERROR: holds 0, which is no value of !lowbit.odd<1>
func.func @constant_even() {
  %0 = lowbit.constant dense<[1, 0]> : tensor<2xi8> -> tensor<2x!lowbit.odd<1>>
  func.return
}

// -----

// ERROR: a value of tensor<3xi8> does not fit a result of tensor<2x!lowbit.uint<2>>
func.func @constant_shape() {
  %0 = lowbit.constant dense<1> : tensor<3xi8> -> tensor<2x!lowbit.uint<2>>
  func.return
}

// -----

// ERROR: a constant of !lowbit.uint<2> holds i8 to i64, not f32
func.func @constant_float() {
  %0 = lowbit.constant dense<1.0> : tensor<2xf32> -> tensor<2x!lowbit.uint<2>>
  func.return
}

// -----

// ERROR: a constant of i32 holds i32, not i8
func.func @constant_element() {
  %0 = lowbit.constant dense<1> : tensor<2xi8> -> tensor<2xi32>
  func.return
}

// -----

// ERROR: every extent of tensor<?xi32> is static and at least 1
func.func @dynamic(%x: tensor<?xi32>) {
  %0 = lowbit.clip %x : tensor<?xi32> -> tensor<?xi32>
  func.return
}

// -----

// ERROR: elements are codes, i8, i16, i32, i64 or f32, not f64
func.func @strange_element(%x: tensor<4xf64>) {
  %0 = lowbit.clip %x : tensor<4xf64> -> tensor<4xf64>
  func.return
}

// -----

// ERROR: a layout is a #lowbit.layout, not "row"
func.func @strange_layout(%x: tensor<4xi32, "row">) {
  %0 = lowbit.clip %x : tensor<4xi32, "row"> -> tensor<4xi32>
  func.return
}

// -----

// ERROR: tensor<999999x999999xi32> takes more than a terabyte
func.func @terabytes(%x: tensor<999999x999999xi32>) {
  %0 = lowbit.clip %x : tensor<999999x999999xi32> -> tensor<999999x999999xi32>
  func.return
}

// -----

// ERROR: expected a tensor or memref, not i32
func.func @no_tensor(%x: i32, %w: tensor<4x4x!lowbit.odd<1>>) {
  %0 = lowbit.dense %x, %w : i32, tensor<4x4x!lowbit.odd<1>> -> tensor<4x4xi32>
  func.return
}

// -----

// ERROR: packs an input that is packed already
func.func @pack_packed(%x: tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>) {
  %0 = lowbit.bitpack %x : tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>> -> tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>
  func.return
}

// -----

// ERROR: packs to a layout with planes, as in [d0, planes, d1 by 32]
func.func @pack_to_plain(%x: tensor<4x8x!lowbit.uint<2>>) {
  %0 = lowbit.bitpack %x : tensor<4x8x!lowbit.uint<2>> -> tensor<4x8x!lowbit.uint<2>>
  func.return
}

// -----

// ERROR: changes the layout alone: tensor<4x8x!lowbit.uint<2>> and tensor<4x8x!lowbit.int<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>> differ in more
func.func @pack_another(%x: tensor<4x8x!lowbit.uint<2>>) {
  %0 = lowbit.bitpack %x : tensor<4x8x!lowbit.uint<2>> -> tensor<4x8x!lowbit.int<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>
  func.return
}

// -----

// ERROR: unpacks an input that is not packed
func.func @unpack_plain(%x: tensor<4x8x!lowbit.uint<2>>) {
  %0 = lowbit.unpack %x : tensor<4x8x!lowbit.uint<2>> -> tensor<4x8x!lowbit.uint<2>>
  func.return
}

// -----

// ERROR: unpacks to a layout without planes
func.func @unpack_to_packed(%x: tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>) {
  %0 = lowbit.unpack %x : tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>> -> tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>
  func.return
}

// -----

// ERROR: packs or unpacks: use lowbit.bitpack or lowbit.unpack
func.func @relayout_packs(%x: tensor<4x8x!lowbit.uint<2>>) {
  %0 = lowbit.relayout %x : tensor<4x8x!lowbit.uint<2>> -> tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>
  func.return
}

// -----

// ERROR: layout [d0, d1 by 4], i8 does not store every part of every axis once
func.func @layout_misses_a_part(%x: tensor<4x8xi8>) {
  %0 = lowbit.relayout %x : tensor<4x8xi8> -> tensor<4x8xi8, #lowbit.layout<[d0, d1 by 4], i8>>
  func.return
}

// -----

// ERROR: layout [d0, d1, d1], i8 lists a stored axis twice
func.func @layout_twice(%x: tensor<4x8xi8>) {
  %0 = lowbit.relayout %x : tensor<4x8xi8> -> tensor<4x8xi8, #lowbit.layout<[d0, d1, d1], i8>>
  func.return
}

// -----

// ERROR: layout [d0, d1, d2], i8 names an axis that a tensor of rank 2 lacks
func.func @layout_rank(%x: tensor<4x8xi8>) {
  %0 = lowbit.relayout %x : tensor<4x8xi8> -> tensor<4x8xi8, #lowbit.layout<[d0, d1, d2], i8>>
  func.return
}

// -----

// ERROR: layout [d1, d0], i16 stores i32 in words of less than 32 bits
func.func @layout_word(%x: tensor<4x8xi32>) {
  %0 = lowbit.relayout %x : tensor<4x8xi32> -> tensor<4x8xi32, #lowbit.layout<[d1, d0], i16>>
  func.return
}

// -----

// ERROR: layout [d0, planes, d1 by 8], i8 has planes, but i8 is not a code type
func.func @layout_planes_of_integers(%x: tensor<4x8xi8>) {
  %0 = lowbit.relayout %x : tensor<4x8xi8> -> tensor<4x8xi8, #lowbit.layout<[d0, planes, d1 by 8], i8>>
  func.return
}

// -----

// ERROR: layout [d0, planes, d1 by 16], i8 packs more elements than a word has bits
func.func @layout_overfull(%x: tensor<4x8x!lowbit.uint<2>>) {
  %0 = lowbit.bitpack %x : tensor<4x8x!lowbit.uint<2>> -> tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 16], i8>>
  func.return
}

// -----

// ERROR: layout [d0, planes, d1], i8 packs no axis: one axis needs 'dK by B' alone
func.func @layout_packs_nothing(%x: tensor<4x8x!lowbit.uint<2>>) {
  %0 = lowbit.bitpack %x : tensor<4x8x!lowbit.uint<2>> -> tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1], i8>>
  func.return
}

// -----

// ERROR: has either a result (on tensors) or outs (on memrefs)
func.func @both_forms(%x: tensor<4x8xi32>, %y: memref<4x8xi32>) {
  %0 = lowbit.relayout %x outs(%y : memref<4x8xi32>) : tensor<4x8xi32> -> tensor<4x8xi32>
  func.return
}

// -----

// ERROR: mixes tensors and memrefs
func.func @mixed_forms(%x: tensor<4x8xi32>, %y: memref<4x8xi32>) {
  lowbit.relayout %x outs(%y : memref<4x8xi32>) : tensor<4x8xi32>
  func.return
}

// -----

// ERROR: tensor<4x8xi32> and tensor<4x9xi32> have different numbers of elements
func.func @reshape_count(%x: tensor<4x8xi32>) {
  %0 = lowbit.reshape %x : tensor<4x8xi32> -> tensor<4x9xi32>
  func.return
}

// -----

// ERROR: keeps the elements: tensor<4x8xi32> and tensor<32xi16> differ
func.func @reshape_element(%x: tensor<4x8xi32>) {
  %0 = lowbit.reshape %x : tensor<4x8xi32> -> tensor<32xi16>
  func.return
}

// -----

// ERROR: reshapes tensors without a layout: unpack first
func.func @reshape_layout(%x: tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>) {
  %0 = lowbit.reshape %x : tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>> -> tensor<32x!lowbit.uint<2>>
  func.return
}

// -----

// ERROR: mixes tensors and memrefs
func.func @reshape_form(%x: tensor<4x8xi32>) {
  %0 = lowbit.reshape %x : tensor<4x8xi32> -> memref<32xi32>
  func.return
}

// -----

// ERROR: [0, 0] permutes no 2 axes
func.func @transpose_order(%x: tensor<4x8xi32>) {
  %0 = lowbit.transpose %x permutation = [0, 0] : tensor<4x8xi32> -> tensor<8x4xi32>
  func.return
}

// -----

// ERROR: computes a shape of 8x4, but its result is tensor<4x8xi32>
func.func @transpose_shape(%x: tensor<4x8xi32>) {
  %0 = lowbit.transpose %x permutation = [1, 0] : tensor<4x8xi32> -> tensor<4x8xi32>
  func.return
}

// -----

// ERROR: transposes tensors without a layout: unpack first
func.func @transpose_layout(%x: tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>) {
  %0 = lowbit.transpose %x permutation = [1, 0] : tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>> -> tensor<8x4x!lowbit.uint<2>>
  func.return
}

// -----

// ERROR: joins along axis 1, but tensor<2x3xi8> and tensor<3x3xi8> differ
func.func @concat_shapes(%x: tensor<2x3xi8>, %y: tensor<3x3xi8>) {
  %0 = lowbit.concat %x, %y {axis = 1 : i64} : tensor<2x3xi8>, tensor<3x3xi8> -> tensor<2x6xi8>
  func.return
}

// -----

// ERROR: tensor<2x3xi8> and tensor<2x3xi16> differ
func.func @concat_elements(%x: tensor<2x3xi8>, %y: tensor<2x3xi16>) {
  %0 = lowbit.concat %x, %y {axis = 1 : i64} : tensor<2x3xi8>, tensor<2x3xi16> -> tensor<2x6xi8>
  func.return
}

// -----

// ERROR: axis 2 is not one of 2
func.func @concat_axis(%x: tensor<2x3xi8>) {
  %0 = lowbit.concat %x, %x {axis = 2 : i64} : tensor<2x3xi8>, tensor<2x3xi8> -> tensor<2x6xi8>
  func.return
}

// -----

// ERROR: computes a shape of 2x6, but its result is tensor<2x5xi8>
func.func @concat_result(%x: tensor<2x3xi8>) {
  %0 = lowbit.concat %x, %x {axis = 1 : i64} : tensor<2x3xi8>, tensor<2x3xi8> -> tensor<2x5xi8>
  func.return
}

// -----

// ERROR: moves tensors without a layout
func.func @concat_layout(%x: tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>>) {
  %0 = lowbit.concat %x {axis = 0 : i64} : tensor<4x8x!lowbit.uint<2>, #lowbit.layout<[d0, planes, d1 by 8], i8>> -> tensor<4x8x!lowbit.uint<2>>
  func.return
}

// -----

// ERROR: reads 1 to 3 along axis 0, which has 3 elements
func.func @extract_slice_end(%x: tensor<3xi8>) {
  %0 = lowbit.extract_slice %x {starts = array<i64: 1>, steps = array<i64: 2>} : tensor<3xi8> -> tensor<2xi8>
  func.return
}

// -----

// ERROR: the step along axis 0 is 0
func.func @extract_slice_step(%x: tensor<3xi8>) {
  %0 = lowbit.extract_slice %x {starts = array<i64: 1>, steps = array<i64: 0>} : tensor<3xi8> -> tensor<2xi8>
  func.return
}

// -----

// ERROR: starts has 2 numbers for 1 axes
func.func @extract_slice_numbers(%x: tensor<3xi8>) {
  %0 = lowbit.extract_slice %x {starts = array<i64: 1, 0>, steps = array<i64: 1>} : tensor<3xi8> -> tensor<2xi8>
  func.return
}

// -----

// ERROR: pads with 0, which is no value of !lowbit.odd<1>
func.func @pad_value_of_codes(%x: tensor<3x!lowbit.odd<1>>) {
  %0 = lowbit.pad %x {low = array<i64: 1>, high = array<i64: 0>, interior = array<i64: 0>, value = 0 : i64} : tensor<3x!lowbit.odd<1>> -> tensor<4x!lowbit.odd<1>>
  func.return
}

// -----

// ERROR: pads f32 with an f32, not 0 : i64
func.func @pad_f32(%x: tensor<3xf32>) {
  %0 = lowbit.pad %x {low = array<i64: 1>, high = array<i64: 0>, interior = array<i64: 0>, value = 0 : i64} : tensor<3xf32> -> tensor<4xf32>
  func.return
}

// -----

// ERROR: low, high and interior are not negative
func.func @pad_negative(%x: tensor<3xi8>) {
  %0 = lowbit.pad %x {low = array<i64: -1>, high = array<i64: 0>, interior = array<i64: 0>, value = 0 : i64} : tensor<3xi8> -> tensor<2xi8>
  func.return
}

// -----

// ERROR: value is an integer of type i64, or an f32, not 1.000000e+00 : f64
func.func @pad_f64(%x: tensor<3xf32>) {
  %0 = lowbit.pad %x {low = array<i64: 1>, high = array<i64: 0>, interior = array<i64: 0>, value = 1.0 : f64} : tensor<3xf32> -> tensor<4xf32>
  func.return
}

// -----

// ERROR: factors are 1 or more, not [0]
func.func @repeat_factors(%x: tensor<3xi8>) {
  %0 = lowbit.repeat %x {factors = array<i64: 0>} : tensor<3xi8> -> tensor<3xi8>
  func.return
}

// -----

// ERROR: computes a shape of 6, but its result is tensor<3xi8>
func.func @repeat_result(%x: tensor<3xi8>) {
  %0 = lowbit.repeat %x {factors = array<i64: 2>} : tensor<3xi8> -> tensor<3xi8>
  func.return
}

// -----

// ERROR: is bytes 8 to 20 of a buffer of 16
func.func @slice_past_the_end(%x: memref<16xi8>) {
  %0 = lowbit.slice %x at 8 : memref<16xi8> to memref<3xi32>
  func.return
}

// -----

// ERROR: slices a buffer of bytes, memref<Nxi8>, not memref<16xi32>
func.func @slice_of_words(%x: memref<16xi32>) {
  %0 = lowbit.slice %x at 8 : memref<16xi32> to memref<1xi32>
  func.return
}

// -----

// ERROR: input has rank 4, not 3
func.func @conv_rank(%x: tensor<4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w : tensor<4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: strides has 2 numbers, not array<i64: 1>
func.func @conv_strides(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {strides = array<i64: 1>} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: kernel, strides and dilations are at least 1 along the height
func.func @conv_stride_zero(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {strides = array<i64: 0, 1>} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: padding is not negative along the width
func.func @conv_padding_negative(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {padding = array<i64: 0, -1, 0, 0>} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: kernel, strides, dilations and padding are at most 1048576 along the width
func.func @conv_padding_huge(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {padding = array<i64: 0, 0, 0, 9999999>} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: the output is empty: the kernel reaches over 5 positions of the height, which has 4 with padding
func.func @conv_empty(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {dilations = array<i64: 2, 1>} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: format is nhwc or nchw, not hwcn
func.func @conv_format(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {format = "hwcn"} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: 5 input and 8 output channels do not fit weights of 4 input channels in 1 group
func.func @conv_channels(%x: tensor<1x4x4x5x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w : tensor<1x4x4x5x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: 4 input and 8 output channels do not fit weights of 4 input channels in 2 groups
func.func @conv_groups(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {groups = 2 : i64} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: groups is at least 1, not 0
func.func @conv_groups_zero(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {groups = 0 : i64} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: groups is an integer of type i64, not true
func.func @conv_groups_type(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {groups = true} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: pad_value 4 lies outside 0..3, the range of !lowbit.uint<2>
func.func @conv_pad_value(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {pad_value = 4 : i64} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: an f32 convolution pads with 0, not 1
func.func @conv_pad_value_of_floats(%x: tensor<1x4x4x4xf32>, %w: tensor<3x3x4x8xf32>) {
  %0 = lowbit.conv2d %x, %w {pad_value = 1 : i64} : tensor<1x4x4x4xf32>, tensor<3x3x4x8xf32> -> tensor<1x2x2x8xf32>
  func.return
}

// -----

// ERROR: multiplies codes, i8, i16 or f32, not i32
func.func @conv_elements(%x: tensor<1x4x4x4xi32>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w : tensor<1x4x4x4xi32>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: cannot multiply f32 by !lowbit.odd<1>
func.func @conv_float_by_code(%x: tensor<1x4x4x4xf32>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w : tensor<1x4x4x4xf32>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: computes a shape of 1x2x2x8, but its result is tensor<1x2x3x8xi32>
func.func @conv_shape(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x3x8xi32>
  func.return
}

// -----

// ERROR: accumulates in i32 or i64, not i16
func.func @conv_accumulator(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi16>
  func.return
}

// -----

// ERROR: accumulates in f32, not i32
func.func @conv_float_accumulator(%x: tensor<1x4x4x4xf32>, %w: tensor<3x3x4x8xf32>) {
  %0 = lowbit.conv2d %x, %w : tensor<1x4x4x4xf32>, tensor<3x3x4x8xf32> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: schedule is a #lowbit.schedule, not 4 : i64
func.func @conv_schedule(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {schedule = 4 : i64} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: corrections are i16 or i32 of shape 1x1x8, not tensor<1x1x4xi32>
func.func @corrections_shape(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>, %c: tensor<1x1x4xi32>) {
  %0 = lowbit.conv2d %x, %w corrections(%c : tensor<1x1x4xi32>) : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: edges are of a window without padding
func.func @edges_of_padding(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>, %c: tensor<3x3x8xi32>) {
  %0 = lowbit.conv2d %x, %w corrections(%c : tensor<3x3x8xi32>) {padding = array<i64: 1, 1, 1, 1>, edges = array<i64: 1, 1, 1, 1>} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x4x4x8xi32>
  func.return
}

// -----

// ERROR: edges lie in outputs of 2x2, not [1, 1, 2, 1]
func.func @edges_beyond(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>, %c: tensor<3x3x8xi32>) {
  %0 = lowbit.conv2d %x, %w corrections(%c : tensor<3x3x8xi32>) {edges = array<i64: 1, 1, 2, 1>} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: edges are of outputs that have corrections
func.func @edges_alone(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {edges = array<i64: 1, 1, 1, 1>} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: fill 2 lies outside -1..1, the range of !lowbit.odd<1>
func.func @corrections_op_fill(%w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.corrections %w {activation = !lowbit.odd<1>, size = array<i64: 4, 4>, fill = 2 : i64} : tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x1x8xi32>
  func.return
}

// -----

// ERROR: only products of codes have popcount corrections
func.func @corrections_of_integers(%x: tensor<1x4x4x4xi8>, %w: tensor<3x3x4x8x!lowbit.odd<1>>, %c: tensor<1x1x8xi32>) {
  %0 = lowbit.conv2d %x, %w corrections(%c : tensor<1x1x8xi32>) : tensor<1x4x4x4xi8>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: corrections add to i32, not i64
func.func @corrections_in_i64(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>, %c: tensor<1x1x8xi32>) {
  %0 = lowbit.conv2d %x, %w corrections(%c : tensor<1x1x8xi32>) : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi64>
  func.return
}

// -----

// ERROR: corrections are i16 or i32 of shape 1x1x8, not tensor<1x2x8xi32>
func.func @corrections_op_shape(%w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.corrections %w {activation = !lowbit.uint<2>, size = array<i64: 4, 4>} : tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x8xi32>
  func.return
}

// -----

// ERROR: only products of codes have popcount corrections
func.func @corrections_op_activation(%w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.corrections %w {activation = i8, size = array<i64: 4, 4>} : tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x1x8xi32>
  func.return
}

// -----

// ERROR: 8 output channels do not fit 3 groups
func.func @corrections_op_groups(%w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.corrections %w {activation = !lowbit.uint<2>, size = array<i64: 4, 4>, groups = 3 : i64} : tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x1x8xi32>
  func.return
}

// -----

// ERROR: weights have rank 2 or 4, not 1
func.func @corrections_op_rank(%w: tensor<4x!lowbit.odd<1>>) {
  %0 = lowbit.corrections %w {activation = !lowbit.uint<2>, size = array<i64: 4, 4>} : tensor<4x!lowbit.odd<1>> -> tensor<1x1x4xi32>
  func.return
}

// -----

// ERROR: size is at least 1 each way, not array<i64: 0, 4>
func.func @corrections_op_size(%w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.corrections %w {activation = !lowbit.uint<2>, size = array<i64: 0, 4>} : tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x1x8xi32>
  func.return
}

// -----

// ERROR: operands have rank 2, not 1 and 2
func.func @dense_rank(%x: tensor<70x!lowbit.uint<4>>, %w: tensor<70x10x!lowbit.int<4>>) {
  %0 = lowbit.dense %x, %w : tensor<70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  func.return
}

// -----

// ERROR: an input of 71 columns does not fit weights of 70 rows
func.func @dense_depth(%x: tensor<3x71x!lowbit.uint<4>>, %w: tensor<70x10x!lowbit.int<4>>) {
  %0 = lowbit.dense %x, %w : tensor<3x71x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  func.return
}

// -----

// ERROR: the sum of 33026 products lies in 0..2147515650, which can wrap in i32: sum in i64, or state in `range` what constant weights allow
func.func @dense_wraps(%x: tensor<1x33026x!lowbit.uint<8>>, %w: tensor<33026x1x!lowbit.uint<8>>) {
  %0 = lowbit.dense %x, %w : tensor<1x33026x!lowbit.uint<8>>, tensor<33026x1x!lowbit.uint<8>> -> tensor<1x1xi32>
  func.return
}

// -----

// ERROR: the sum of 33026 products lies in 0..2147483648, which can wrap in i32: sum in i64, or state in `range` what constant weights allow
func.func @stated_range_wraps(%x: tensor<1x33026x!lowbit.uint<8>>, %w: tensor<33026x1x!lowbit.uint<8>>) {
  %0 = lowbit.dense %x, %w {range = array<i64: 0, 2147483648>} : tensor<1x33026x!lowbit.uint<8>>, tensor<33026x1x!lowbit.uint<8>> -> tensor<1x1xi32>
  func.return
}

// -----

// ERROR: range holds 0, the sum of no products, unlike 1..4
func.func @range_without_zero(%x: tensor<1x4x!lowbit.uint<1>>, %w: tensor<4x1x!lowbit.uint<1>>) {
  %0 = lowbit.dense %x, %w {range = array<i64: 1, 4>} : tensor<1x4x!lowbit.uint<1>>, tensor<4x1x!lowbit.uint<1>> -> tensor<1x1xi32>
  func.return
}

// -----

// ERROR: range -1..4 leaves 0..4, that of the operand types
func.func @range_beyond_types(%x: tensor<1x4x!lowbit.uint<1>>, %w: tensor<4x1x!lowbit.uint<1>>) {
  %0 = lowbit.dense %x, %w {range = array<i64: -1, 4>} : tensor<1x4x!lowbit.uint<1>>, tensor<4x1x!lowbit.uint<1>> -> tensor<1x1xi32>
  func.return
}

// -----

// ERROR: range has 2 numbers, not array<i64: 4>
func.func @range_of_one_number(%x: tensor<1x4x!lowbit.uint<1>>, %w: tensor<4x1x!lowbit.uint<1>>) {
  %0 = lowbit.dense %x, %w {range = array<i64: 4>} : tensor<1x4x!lowbit.uint<1>>, tensor<4x1x!lowbit.uint<1>> -> tensor<1x1xi32>
  func.return
}

// -----

// ERROR: range is of sums of integers: leave it out of an op on f32
func.func @range_of_floats(%x: tensor<1x4xf32>, %w: tensor<4x1xf32>) {
  %0 = lowbit.dense %x, %w {range = array<i64: 0, 4>} : tensor<1x4xf32>, tensor<4x1xf32> -> tensor<1x1xf32>
  func.return
}

// -----

// ERROR: has no attribute 'pad_values'; did you mean pad_value?
func.func @misspelt_attribute(%x: tensor<1x4x4x8x!lowbit.uint<2>>, %w: tensor<3x3x8x4x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {pad_values = 1 : i64} : tensor<1x4x4x8x!lowbit.uint<2>>, tensor<3x3x8x4x!lowbit.odd<1>> -> tensor<1x2x2x4xi32>
  func.return
}

// -----

// ERROR: has no attribute 'schedul'; did you mean schedule?
func.func @misspelt_schedule(%x: tensor<2x3x!lowbit.uint<1>>, %w: tensor<3x4x!lowbit.odd<1>>) {
  %0 = lowbit.dense %x, %w {schedul = #lowbit.schedule<pixels = 2>} : tensor<2x3x!lowbit.uint<1>>, tensor<3x4x!lowbit.odd<1>> -> tensor<2x4xi32>
  func.return
}

// -----

// ERROR: has no attribute 'lowbit.nam'; did you mean lowbit.name?
func.func @misspelt_name(%x: tensor<4xf32>) {
  %0 = lowbit.clip %x {minimum = 0.0 : f32, tool.note, lowbit.nam = "relu"} : tensor<4xf32> -> tensor<4xf32>
  func.return
}

// -----

// ERROR: has no attribute 'kernal'; did you mean kernel?
func.func @misspelt_and_missing(%x: tensor<1x4x4x2xi32>) {
  %0 = lowbit.max_pool %x {kernal = array<i64: 2, 2>} : tensor<1x4x4x2xi32> -> tensor<1x3x3x2xi32>
  func.return
}

// -----

// ERROR: has no attribute 'axes'
func.func @misspelt_property(%x: tensor<4xi32>) {
  %0 = "lowbit.relayout"(%x) <{axes = 1 : i64}> : (tensor<4xi32>) -> tensor<4xi32>
  func.return
}

// -----

// ERROR: has no attribute 'value'
func.func @attribute_of_nothing(%x: tensor<4xi32>) {
  %0 = lowbit.reshape %x {value = 1 : i64} : tensor<4xi32> -> tensor<2x2xi32>
  func.return
}

// -----

// ERROR: an epilogue has one argument, the accumulator
func.func @epilogue_without_argument(%x: tensor<3x70x!lowbit.uint<4>>, %w: tensor<70x10x!lowbit.int<4>>) {
  %0 = lowbit.dense %x, %w epilogue {
    ^bb0:
    } : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  func.return
}

// -----

// ERROR: an epilogue ends in lowbit.yield
func.func @epilogue_without_yield(%x: tensor<3x70x!lowbit.uint<4>>, %w: tensor<70x10x!lowbit.int<4>>) {
  %0 = lowbit.dense %x, %w epilogue {
    ^bb0(%a: i32):
    } : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  func.return
}

// -----

// ERROR: the epilogue yields i32, but the result holds f32
func.func @epilogue_yields_another(%x: tensor<3x70x!lowbit.uint<4>>, %w: tensor<70x10x!lowbit.int<4>>) {
  %0 = lowbit.dense %x, %w epilogue {
    ^bb0(%a: i32):
      lowbit.yield %a : i32
    } : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xf32>
  func.return
}

// -----

// ERROR: accumulates in i32 or i64, not i8
func.func @epilogue_accumulator(%x: tensor<3x70x!lowbit.uint<4>>, %w: tensor<70x10x!lowbit.int<4>>) {
  %0 = lowbit.dense %x, %w epilogue {
    ^bb0(%a: i8):
      lowbit.yield %a : i8
    } : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi8>
  func.return
}

// -----

// ERROR: a table has 1 row or 10, not 4
func.func @epilogue_table(%x: tensor<3x70x!lowbit.uint<4>>, %w: tensor<70x10x!lowbit.int<4>>, %t: tensor<4xi32>) {
  %0 = lowbit.dense %x, %w epilogue {
    ^bb0(%a: i32):
      %b = lowbit.add %a, %t : i32, tensor<4xi32> -> i32
      lowbit.yield %b : i32
    } : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  func.return
}

// -----

// ERROR: lowbit.add reads tensor<3x4xi32> beside a shape of 3x10
func.func @epilogue_residual(%x: tensor<3x70x!lowbit.uint<4>>, %w: tensor<70x10x!lowbit.int<4>>, %t: tensor<3x4xi32>) {
  %0 = lowbit.dense %x, %w epilogue {
    ^bb0(%a: i32):
      %b = lowbit.add %a, %t : i32, tensor<3x4xi32> -> i32
      lowbit.yield %b : i32
    } : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  func.return
}

// -----

// ERROR: an epilogue holds elementwise ops on one element, not lowbit.clip
func.func @epilogue_holds_a_tensor_op(%x: tensor<3x70x!lowbit.uint<4>>, %w: tensor<70x10x!lowbit.int<4>>, %t: tensor<3x4xi32>) {
  %0 = lowbit.dense %x, %w epilogue {
    ^bb0(%a: i32):
      %b = lowbit.clip %t : tensor<3x4xi32> -> tensor<3x4xi32>
      lowbit.yield %a : i32
    } : tensor<3x70x!lowbit.uint<4>>, tensor<70x10x!lowbit.int<4>> -> tensor<3x10xi32>
  func.return
}

// -----

// ERROR: a quantiser to !lowbit.int<2> has 3 thresholds, not 4
func.func @threshold_steps(%x: tensor<4x8xi32>, %t: tensor<8x4xi32>) {
  %0 = lowbit.threshold %x, %t : tensor<4x8xi32>, tensor<8x4xi32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: is ascending, but its thresholds are not
func.func @threshold_ascending(%x: tensor<4x1xi32>) {
  %t = lowbit.constant dense<[[1, 3, 2]]> : tensor<1x3xi32> -> tensor<1x3xi32>
  %0 = lowbit.threshold %x, %t {ascending} : tensor<4x1xi32>, tensor<1x3xi32> -> tensor<4x1x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: is bounded, but a threshold is 2147483648 from 0: at most 1073741824
func.func @threshold_bounded(%x: tensor<4x1xi32>) {
  %t = lowbit.constant dense<-2147483648> : tensor<1x3xi32> -> tensor<1x3xi32>
  %0 = lowbit.threshold %x, %t {bounded} : tensor<4x1xi32>, tensor<1x3xi32> -> tensor<4x1x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: a table has 1 row or 8, not 4
func.func @threshold_rows(%x: tensor<4x8xi32>, %t: tensor<4x3xi32>) {
  %0 = lowbit.threshold %x, %t : tensor<4x8xi32>, tensor<4x3xi32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: a table is i32 of rank 2, not tensor<3xi32>
func.func @threshold_table(%x: tensor<4x8xi32>, %t: tensor<3xi32>) {
  %0 = lowbit.threshold %x, %t : tensor<4x8xi32>, tensor<3xi32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: a table is i32 of rank 2, not tensor<8x3xi64>
func.func @threshold_table_type(%x: tensor<4x8xi32>, %t: tensor<8x3xi64>) {
  %0 = lowbit.threshold %x, %t : tensor<4x8xi32>, tensor<8x3xi64> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: compares i32 or f32, not i16
func.func @threshold_input(%x: tensor<4x8xi16>, %t: tensor<8x3xi32>) {
  %0 = lowbit.threshold %x, %t : tensor<4x8xi16>, tensor<8x3xi32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: flips i32, not f32
func.func @threshold_flip(%x: tensor<4x8xf32>, %t: tensor<8x3xf32>, %f: tensor<8xi32>) {
  %0 = lowbit.threshold %x, %t flip(%f : tensor<8xi32>) : tensor<4x8xf32>, tensor<8x3xf32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: a table is f32 of rank 2, not tensor<8x3xi32>
func.func @threshold_of_floats(%x: tensor<4x8xf32>, %t: tensor<8x3xi32>) {
  %0 = lowbit.threshold %x, %t : tensor<4x8xf32>, tensor<8x3xi32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: gives codes, not i32
func.func @threshold_result(%x: tensor<4x8xi32>, %t: tensor<8x3xi32>) {
  %0 = lowbit.threshold %x, %t : tensor<4x8xi32>, tensor<8x3xi32> -> tensor<4x8xi32>
  func.return
}

// -----

// ERROR: computes a shape of 4x8, but its result is tensor<8x4x!lowbit.int<2>>
func.func @threshold_shape(%x: tensor<4x8xi32>, %t: tensor<8x3xi32>) {
  %0 = lowbit.threshold %x, %t : tensor<4x8xi32>, tensor<8x3xi32> -> tensor<8x4x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: axis 2 is not one of 2
func.func @threshold_axis(%x: tensor<4x8xi32>, %t: tensor<8x3xi32>) {
  %0 = lowbit.threshold %x, %t {axis = 2 : i64} : tensor<4x8xi32>, tensor<8x3xi32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: takes codes or integers, not f32
func.func @requantize_input(%x: tensor<4x8xf32>, %t: tensor<8xf32>) {
  %0 = lowbit.requantize %x, %t : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: requantises to consecutive integers, not odd codes
func.func @requantize_odd(%x: tensor<4x8xi32>, %t: tensor<8xf32>) {
  %0 = lowbit.requantize %x, %t : tensor<4x8xi32>, tensor<8xf32> -> tensor<4x8x!lowbit.odd<2>>
  func.return
}

// -----

// ERROR: scales i32, not f32
func.func @rescale_input(%x: tensor<4x8xf32>, %t: tensor<8xi16>) {
  %0 = lowbit.rescale %x, %t, %t, %t, %t, %t {left = 0 : i64} : tensor<4x8xf32>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16> -> tensor<4x8x!lowbit.int<4>>
  func.return
}

// -----

// ERROR: a table is i16 of rank 1, not tensor<8xi32>
func.func @rescale_tables(%x: tensor<4x8xi32>, %t: tensor<8xi32>) {
  %0 = lowbit.rescale %x, %t, %t, %t, %t, %t {left = 0 : i64} : tensor<4x8xi32>, tensor<8xi32>, tensor<8xi32>, tensor<8xi32>, tensor<8xi32>, tensor<8xi32> -> tensor<4x8x!lowbit.int<4>>
  func.return
}

// -----

// ERROR: rescales to consecutive integers, not odd codes
func.func @rescale_odd(%x: tensor<4x8xi32>, %t: tensor<8xi16>) {
  %0 = lowbit.rescale %x, %t, %t, %t, %t, %t {left = 0 : i64} : tensor<4x8xi32>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16> -> tensor<4x8x!lowbit.odd<2>>
  func.return
}

// -----

// ERROR: shifts left by 0 to 15, not 16
func.func @rescale_left(%x: tensor<4x8xi32>, %t: tensor<8xi16>) {
  %0 = lowbit.rescale %x, %t, %t, %t, %t, %t {left = 16 : i64} : tensor<4x8xi32>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16>, tensor<8xi16> -> tensor<4x8x!lowbit.int<4>>
  func.return
}

// -----

// ERROR: takes f32, not i32
func.func @quantize_input(%x: tensor<4x8xi32>, %t: tensor<8xf32>) {
  %0 = lowbit.quantize %x, %t : tensor<4x8xi32>, tensor<8xf32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: rounding is half_even, floor, ceil, up, down, half_up or half_down, not nearest
func.func @quantize_rounding(%x: tensor<4x8xf32>, %t: tensor<8xf32>) {
  %0 = lowbit.quantize %x, %t {rounding = "nearest"} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: bounds 0..2 less zero point 0 do not fit !lowbit.int<2>
func.func @quantize_bounds(%x: tensor<4x8xf32>, %t: tensor<8xf32>) {
  %0 = lowbit.quantize %x, %t {minimum = 0 : i64, maximum = 2 : i64} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: bounds 1..0 less zero point 0 do not fit !lowbit.int<2>
func.func @quantize_bounds_crossed(%x: tensor<4x8xf32>, %t: tensor<8xf32>) {
  %0 = lowbit.quantize %x, %t {minimum = 1 : i64, maximum = 0 : i64} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: zero_point is at most 8388608 away from 0, not 16777217
func.func @quantize_zero_point(%x: tensor<4x8xf32>, %t: tensor<8xf32>) {
  %0 = lowbit.quantize %x, %t {zero_point = 16777217 : i64} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8x!lowbit.int<2>>
  func.return
}

// -----

// ERROR: an odd code has no bounds, zero point or rounding
func.func @quantize_odd(%x: tensor<4x8xf32>, %t: tensor<8xf32>) {
  %0 = lowbit.quantize %x, %t {rounding = "floor"} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8x!lowbit.odd<2>>
  func.return
}

// -----

// ERROR: takes f32, not i32
func.func @mul_input(%x: tensor<4x8xi32>, %t: tensor<8xf32>) {
  %0 = lowbit.mul %x, %t : tensor<4x8xi32>, tensor<8xf32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: a table is a tensor, not f32
func.func @mul_scale(%x: tensor<4x8xf32>, %t: f32) {
  %0 = lowbit.mul %x, %t : tensor<4x8xf32>, f32 -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: clips f32 or i32, not i8
func.func @clip_element(%x: tensor<4xi8>) {
  %0 = lowbit.clip %x : tensor<4xi8> -> tensor<4xi8>
  func.return
}

// -----

// ERROR: gives f32, not i32
func.func @clip_result(%x: tensor<4x8xf32>) {
  %0 = lowbit.clip %x : tensor<4x8xf32> -> tensor<4x8xi32>
  func.return
}

// -----

// ERROR: bounds are of type f32, not 1 : i32
func.func @clip_bound(%x: tensor<4x8xf32>) {
  %0 = lowbit.clip %x {minimum = 1 : i32} : tensor<4x8xf32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: a bound is a number, not NaN
func.func @clip_nan(%x: tensor<4x8xf32>) {
  %0 = lowbit.clip %x {maximum = 0x7FC00000 : f32} : tensor<4x8xf32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: takes tensor<4x8xi32> and tensor<8x4xi32>: the shapes differ
func.func @add_shapes(%x: tensor<4x8xi32>, %t: tensor<8x4xi32>) {
  %0 = lowbit.add %x, %t : tensor<4x8xi32>, tensor<8x4xi32> -> tensor<4x8xi32>
  func.return
}

// -----

// ERROR: cannot add f32 to i32 as i32
func.func @add_float_to_integer(%x: tensor<4x8xi32>, %t: tensor<4x8xf32>) {
  %0 = lowbit.add %x, %t : tensor<4x8xi32>, tensor<4x8xf32> -> tensor<4x8xi32>
  func.return
}

// -----

// ERROR: adds codes, i8, i16, i32 or f32, not i64
func.func @add_wide(%x: tensor<4x8xi64>, %t: tensor<4x8xi64>) {
  %0 = lowbit.add %x, %t : tensor<4x8xi64>, tensor<4x8xi64> -> tensor<4x8xi32>
  func.return
}

// -----

// ERROR: integers add to i32, not i16
func.func @add_result(%x: tensor<4x8xi32>, %t: tensor<4x8xi32>) {
  %0 = lowbit.add %x, %t : tensor<4x8xi32>, tensor<4x8xi32> -> tensor<4x8xi16>
  func.return
}

// -----

// ERROR: kernel has 2 numbers, not array<i64: 2>
func.func @pool_kernel(%x: tensor<1x4x4x4xi32>) {
  %0 = lowbit.max_pool %x {kernel = array<i64: 2>} : tensor<1x4x4x4xi32> -> tensor<1x3x3x4xi32>
  func.return
}

// -----

// ERROR: input has rank 4, not 3
func.func @pool_rank(%x: tensor<4x4x4xi32>) {
  %0 = lowbit.max_pool %x {kernel = array<i64: 2, 2>} : tensor<4x4x4xi32> -> tensor<1x3x3x4xi32>
  func.return
}

// -----

// ERROR: computes a shape of 1x3x3x4, but its result is tensor<1x4x4x4xi32>
func.func @pool_shape(%x: tensor<1x4x4x4xi32>) {
  %0 = lowbit.max_pool %x {kernel = array<i64: 2, 2>} : tensor<1x4x4x4xi32> -> tensor<1x4x4x4xi32>
  func.return
}

// -----

// ERROR: has a result of i32, not i16
func.func @pool_element(%x: tensor<1x4x4x4xi32>) {
  %0 = lowbit.max_pool %x {kernel = array<i64: 2, 2>} : tensor<1x4x4x4xi32> -> tensor<1x3x3x4xi16>
  func.return
}

// -----

// ERROR: every window covers at least one position of the image, not padding alone
func.func @pool_of_padding(%x: tensor<1x4x4x4xi32>) {
  %0 = lowbit.max_pool %x {kernel = array<i64: 2, 2>, padding = array<i64: 2, 0, 0, 0>} : tensor<1x4x4x4xi32> -> tensor<1x5x3x4xi32>
  func.return
}

// -----

// ERROR: averages codes, i32 or f32, not i8
func.func @pool_average_of_bytes(%x: tensor<1x4x4x4xi8>) {
  %0 = lowbit.avg_pool %x {kernel = array<i64: 2, 2>} : tensor<1x4x4x4xi8> -> tensor<1x3x3x4xi32>
  func.return
}

// -----

// ERROR: divisor is at least 1, not 0
func.func @pool_divisor(%x: tensor<1x4x4x4xi32>) {
  %0 = lowbit.avg_pool %x {kernel = array<i64: 2, 2>, divisor = 0 : i64} : tensor<1x4x4x4xi32> -> tensor<1x3x3x4xi32>
  func.return
}

// -----

// ERROR: the sum of the window can wrap in i32
func.func @pool_sum(%x: tensor<1x4096x4096x1x!lowbit.uint<8>>) {
  %0 = lowbit.avg_pool %x {kernel = array<i64: 4096, 4096>} : tensor<1x4096x4096x1x!lowbit.uint<8>> -> tensor<1x1x1x1xi32>
  func.return
}

// -----

// ERROR: gathers codes, not i8
func.func @lines_element(%x: tensor<1x2x2x3xi8>) {
  %0 = lowbit.lines %x : tensor<1x2x2x3xi8> -> tensor<1x2x6xi8>
  func.return
}

// -----

// ERROR: input has rank 4, not 3
func.func @lines_rank(%x: tensor<2x2x3x!lowbit.uint<1>>) {
  %0 = lowbit.lines %x : tensor<2x2x3x!lowbit.uint<1>> -> tensor<1x2x6x!lowbit.uint<1>>
  func.return
}

// -----

// ERROR: padding is 0 to 1048576 on each side, not [0, -1, 0, 0]
func.func @lines_padding(%x: tensor<1x2x2x3x!lowbit.uint<1>>) {
  %0 = lowbit.lines %x {padding = array<i64: 0, -1, 0, 0>} : tensor<1x2x2x3x!lowbit.uint<1>> -> tensor<1x2x6x!lowbit.uint<1>>
  func.return
}

// -----

// ERROR: pads with 0, which is no value of !lowbit.odd<1>
func.func @lines_pad_value(%x: tensor<1x2x2x3x!lowbit.odd<1>>) {
  %0 = lowbit.lines %x {padding = array<i64: 0, 1, 0, 0>} : tensor<1x2x2x3x!lowbit.odd<1>> -> tensor<1x2x9x!lowbit.odd<1>>
  func.return
}

// -----

// ERROR: computes a shape of 1x2x9, but its result is tensor<1x2x6x!lowbit.uint<1>>
func.func @lines_shape(%x: tensor<1x2x2x3x!lowbit.uint<1>>) {
  %0 = lowbit.lines %x {padding = array<i64: 0, 1, 0, 0>} : tensor<1x2x2x3x!lowbit.uint<1>> -> tensor<1x2x6x!lowbit.uint<1>>
  func.return
}

// -----

// ERROR: strides are 1 to 1048576, not [1, 0]
func.func @subsample_strides(%x: tensor<1x2x2x3x!lowbit.uint<1>>) {
  %0 = lowbit.subsample %x {strides = array<i64: 1, 0>} : tensor<1x2x2x3x!lowbit.uint<1>> -> tensor<1x2x2x3x!lowbit.uint<1>>
  func.return
}

// -----

// ERROR: computes a shape of 1x2x1x3, but its result is tensor<1x1x1x3x!lowbit.uint<1>>
func.func @subsample_shape(%x: tensor<1x3x2x3x!lowbit.uint<1>>) {
  %0 = lowbit.subsample %x {strides = array<i64: 2, 2>} : tensor<1x3x2x3x!lowbit.uint<1>> -> tensor<1x1x1x3x!lowbit.uint<1>>
  func.return
}

// -----

// ERROR: channels, kernel, strides and dilations are 1 to 1048576
func.func @windows_channels(%x: tensor<1x2x6x!lowbit.uint<1>>) {
  %0 = lowbit.windows %x {channels = 0 : i64, kernel = array<i64: 2, 2>} : tensor<1x2x6x!lowbit.uint<1>> -> tensor<1x1x1x4x!lowbit.uint<1>>
  func.return
}

// -----

// ERROR: the result has rank 4, not 3
func.func @windows_rank(%x: tensor<1x2x6x!lowbit.uint<1>>) {
  %0 = lowbit.windows %x {channels = 3 : i64, kernel = array<i64: 2, 2>} : tensor<1x2x6x!lowbit.uint<1>> -> tensor<1x1x12x!lowbit.uint<1>>
  func.return
}

// -----

// ERROR: computes a shape of 1x1x1x12, but its result is tensor<1x1x1x10x!lowbit.uint<1>>
func.func @windows_shape(%x: tensor<1x2x6x!lowbit.uint<1>>) {
  %0 = lowbit.windows %x {channels = 3 : i64, kernel = array<i64: 2, 2>} : tensor<1x2x6x!lowbit.uint<1>> -> tensor<1x1x1x10x!lowbit.uint<1>>
  func.return
}

// -----

// ERROR: reaches over 2 lines of 9 elements, but there are 2 of 6
func.func @windows_reach(%x: tensor<1x2x6x!lowbit.uint<1>>) {
  %0 = lowbit.windows %x {channels = 3 : i64, kernel = array<i64: 2, 2>} : tensor<1x2x6x!lowbit.uint<1>> -> tensor<1x1x2x12x!lowbit.uint<1>>
  func.return
}

// -----

// ERROR: has column bounds as two operands for one pixel, or as two numbers for each pixel
func.func @tile_columns(%x: memref<3x8xi8>, %y: memref<3x8xi32>, %i: index) {
  lowbit.tile "k" at (%i, %i, %i, %i, %i) rows (%i, %i) ins (%x : memref<3x8xi8>) outs (%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 4 : i64, groups = 1 : i64, unroll = 1 : i64, taps = "none", columns = array<i64>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>}
  func.return
}

// -----

// ERROR: pixels is at least 1, not 0
func.func @tile_pixels(%x: memref<3x8xi8>, %y: memref<3x8xi32>, %i: index) {
  lowbit.tile "k" at (%i, %i, %i, %i, %i) rows (%i, %i) ins (%x : memref<3x8xi8>) outs (%y : memref<3x8xi32>) {pixels = 0 : i64, vectors = 1 : i64, channels = 4 : i64, groups = 1 : i64, unroll = 1 : i64, taps = "none", columns = array<i64>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>}
  func.return
}

// -----

// ERROR: taps is none or columns, not sideways
func.func @tile_taps(%x: memref<3x8xi8>, %y: memref<3x8xi32>, %i: index) {
  lowbit.tile "k" at (%i, %i, %i, %i, %i) rows (%i, %i) ins (%x : memref<3x8xi8>) outs (%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 4 : i64, groups = 1 : i64, unroll = 1 : i64, taps = "sideways", columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>}
  func.return
}

// -----

// ERROR: planes is outer, looped or inner, not both
func.func @tile_planes(%x: memref<3x8xi8>, %y: memref<3x8xi32>, %i: index) {
  lowbit.tile "k" at (%i, %i, %i, %i, %i) rows (%i, %i) ins (%x : memref<3x8xi8>) outs (%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 4 : i64, groups = 1 : i64, unroll = 1 : i64, taps = "none", planes = "both", columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>}
  func.return
}

// -----

// ERROR: memref<3x8xi8> lacks a named axis
func.func @tile_axes(%x: memref<3x8xi8>, %y: memref<3x8xi32>, %i: index) {
  lowbit.tile "k" at (%i, %i, %i, %i, %i) rows (%i, %i) ins (%x : memref<3x8xi8>) outs (%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 4 : i64, groups = 1 : i64, unroll = 1 : i64, taps = "none", columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: 2, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>}
  func.return
}

// -----

// ERROR: kernel has 2 numbers, not array<i64: 1>
func.func @tile_arrays(%x: memref<3x8xi8>, %y: memref<3x8xi32>, %i: index) {
  lowbit.tile "k" at (%i, %i, %i, %i, %i) rows (%i, %i) ins (%x : memref<3x8xi8>) outs (%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 4 : i64, groups = 1 : i64, unroll = 1 : i64, taps = "none", columns = array<i64: 0, 1>, kernel = array<i64: 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>}
  func.return
}

// -----

// ERROR: an epilogue is one block with one argument that ends in lowbit.yield
func.func @tile_epilogue(%x: memref<3x8xi8>, %y: memref<3x8xi32>, %i: index) {
  lowbit.tile "k" at (%i, %i, %i, %i, %i) rows (%i, %i) ins (%x : memref<3x8xi8>) outs (%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 4 : i64, groups = 1 : i64, unroll = 1 : i64, taps = "none", columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>} epilogue {
    ^bb0(%a: i32, %b: i32):
      lowbit.yield %a : i32
    }
  func.return
}

// -----

// ERROR: the epilogue yields i8, but outs holds i32
func.func @tile_yield(%x: memref<3x8xi8>, %y: memref<3x8xi32>, %i: index) {
  lowbit.tile "k" at (%i, %i, %i, %i, %i) rows (%i, %i) ins (%x : memref<3x8xi8>) outs (%y : memref<3x8xi32>) {pixels = 1 : i64, vectors = 1 : i64, channels = 4 : i64, groups = 1 : i64, unroll = 1 : i64, taps = "none", columns = array<i64: 0, 1>, kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, input_axes = array<i64: -1, -1, 0, 1>, weight_axes = array<i64: -1, -1, 0, 1>, output_axes = array<i64: -1, -1, 0, 1>} epilogue {
    ^bb0(%a: i8):
      lowbit.yield %a : i8
    }
  func.return
}

// -----

// ERROR: a schedule has no 'speed': it has algorithm, microkernel, pixels, vectors, unroll, taps, loops, planes, prefetch, borders, tables, parallel
func.func @schedule_field(%x: tensor<1x4x4x4x!lowbit.uint<2>>, %w: tensor<3x3x4x8x!lowbit.odd<1>>) {
  %0 = lowbit.conv2d %x, %w {schedule = #lowbit.schedule<speed = 4>} : tensor<1x4x4x4x!lowbit.uint<2>>, tensor<3x3x4x8x!lowbit.odd<1>> -> tensor<1x2x2x8xi32>
  func.return
}

// -----

// ERROR: 'x0' is not a stored axis: expected dK, dK by B, dK in B, planes, sums, choices
func.func @layout_syntax(%x: tensor<4xi8, #lowbit.layout<[x0], i8>>) {
  func.return
}

// -----

// ERROR: takes f32, not i32
func.func @mul_elements(%x: tensor<4x8xf32>, %t: tensor<4x8xi32>) {
  %0 = lowbit.mul %x, %t : tensor<4x8xf32>, tensor<4x8xi32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: takes tensor<4x8xf32> and tensor<4x1xf32>: the shapes differ
func.func @div_shapes(%x: tensor<4x8xf32>, %t: tensor<4x1xf32>) {
  %0 = lowbit.div %x, %t : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: function is abs, ceil, elu, erf, exp, floor, gelu, gelu_tanh, hard_sigmoid, hard_swish, log, mish, neg, reciprocal, round, selu, sigmoid, sign, softplus, sqrt, swish or tanh, not sine
func.func @apply_unknown(%x: tensor<4x8xf32>) {
  %0 = lowbit.apply "sine" %x : tensor<4x8xf32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: elu has alpha
func.func @apply_parameter(%x: tensor<4x8xf32>) {
  %0 = lowbit.apply "elu" %x : tensor<4x8xf32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: tanh has no beta
func.func @apply_no_parameter(%x: tensor<4x8xf32>) {
  %0 = lowbit.apply "tanh" %x {beta = 1.0 : f32} : tensor<4x8xf32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: takes f32, not i32
func.func @apply_elements(%x: tensor<4x8xi32>) {
  %0 = lowbit.apply "abs" %x : tensor<4x8xi32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: a table has 1 row or 8, not 4
func.func @prelu_rows(%x: tensor<4x8xf32>, %t: tensor<4xf32>) {
  %0 = lowbit.prelu %x, %t : tensor<4x8xf32>, tensor<4xf32> -> tensor<4x8xf32>
  func.return
}

// -----

// ERROR: function is sum, mean, max or min, not product
func.func @reduce_unknown(%x: tensor<4x8xf32>) {
  %0 = lowbit.reduce "product" %x : tensor<4x8xf32> -> tensor<4x1xf32>
  func.return
}

// -----

// ERROR: takes f32, not i32
func.func @reduce_elements(%x: tensor<4x8xi32>) {
  %0 = lowbit.reduce "sum" %x : tensor<4x8xi32> -> tensor<4x1xi32>
  func.return
}

// -----

// ERROR: computes a shape of 4x1, but its result is tensor<4xf32>
func.func @reduce_shape(%x: tensor<4x8xf32>) {
  %0 = lowbit.reduce "sum" %x : tensor<4x8xf32> -> tensor<4xf32>
  func.return
}

// -----

// ERROR: takes one axis or more, not none
func.func @reduce_scalar(%x: tensor<f32>) {
  %0 = lowbit.reduce "sum" %x : tensor<f32> -> tensor<1xf32>
  func.return
}

// -----

// ERROR: takes and gives tensors without a layout
func.func @reduce_layout(%x: tensor<4x8xf32, #lowbit.layout<[d1, d0], f32>>) {
  %0 = lowbit.reduce "sum" %x : tensor<4x8xf32, #lowbit.layout<[d1, d0], f32>> -> tensor<4x1xf32>
  func.return
}

// -----

// ERROR: gives 1 to 8 numbers a row, not 9
func.func @top_k_count(%x: tensor<4x8xf32>) {
  %0 = lowbit.top_k %x : tensor<4x8xf32> -> tensor<4x9xi32>
  func.return
}

// -----

// ERROR: has a result of i32 or f32, not i64
func.func @top_k_elements(%x: tensor<4x8xf32>) {
  %0 = lowbit.top_k %x : tensor<4x8xf32> -> tensor<4x2xi64>
  func.return
}

// -----

// ERROR: alpha and beta are finite, not (inf,)
func.func @apply_infinite(%x: tensor<4x8xf32>) {
  %0 = lowbit.apply "elu" %x {alpha = 0x7f800000 : f32} : tensor<4x8xf32> -> tensor<4x8xf32>
  func.return
}
