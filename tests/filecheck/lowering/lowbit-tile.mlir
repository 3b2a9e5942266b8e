// RUN: lowbit-opt %s -p 'lowbit-plan{target="x86-64-v3"},lowbit-tile{target="x86-64-v3"}' --split-input-file | filecheck %s

// Three rows in blocks of two pixels: one whole block, and a tail of one pixel.

// CHECK-LABEL: @dense
// CHECK-NOT:     scf.for
// CHECK:         lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, %0) rows(%0, %1)
// CHECK-SAME:      {pixels = 2 : i64, vectors = 1 : i64, channels = 8 : i64, {{.*}}columns = array<i64: 0, 1, 0, 1>
// CHECK-NEXT:    [[TWO:%.*]] = arith.constant 2 : index
// CHECK-NEXT:    lowbit.tile "popcount_bytes_32x8" at(%0, %0, %0, %0, [[TWO]]) rows(%0, %1)
// CHECK-SAME:      {pixels = 1 : i64,
func.func @dense(%x: memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, %w: memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>, %y: memref<3x8xi32>) {
  lowbit.dense %x, %w outs(%y : memref<3x8xi32>) {schedule = #lowbit.schedule<microkernel = popcount_bytes_32x8, pixels = 2, vectors = 1>} : memref<3x64x!lowbit.uint<1>, #lowbit.layout<[d0, planes, d1 by 32], i32>>, memref<64x8x!lowbit.uint<1>, #lowbit.layout<[d1 by 8, planes, d0 by 32, d1 in 8], i32>>
  func.return
}

// -----

// The border is peeled: two taps left and right, all three between.

// CHECK-LABEL: @borders
// CHECK:         scf.for [[ROW:%.*]] =
// CHECK:           lowbit.tile "max" at({{.*}}, [[ROW]], {{.*}}) rows({{.*}}) ins({{.*}} columns = array<i64: 1, 3>
// CHECK:           scf.for [[COLUMN:%.*]] =
// CHECK-NEXT:        lowbit.tile "max" at({{.*}}, [[ROW]], [[COLUMN]]) rows({{[^)]*}}) ins(
// CHECK-SAME:          columns = array<i64: 0, 3>
// CHECK:           lowbit.tile "max" at({{.*}}, [[ROW]], {{.*}}) rows({{.*}}) ins({{.*}} columns = array<i64: 0, 2>
func.func @borders(%x: memref<1x3x4x8xi32>, %y: memref<1x3x4x8xi32>) {
  lowbit.max_pool %x outs(%y : memref<1x3x4x8xi32>) {kernel = array<i64: 1, 3>, padding = array<i64: 0, 1, 0, 1>} : memref<1x3x4x8xi32>
  func.return
}

// -----

// Two blocks of channels, two rows, two tiles a row: the schedule says which loop is outermost.

// CHECK-LABEL: @channels
// CHECK:         scf.for [[CHANNEL:%.*]] =
// CHECK:           scf.for [[ROW:%.*]] =
// CHECK:             scf.for [[COLUMN:%.*]] =
// CHECK:               at(%{{.*}}, %{{.*}}, [[CHANNEL]], [[ROW]], [[COLUMN]])
func.func @channels(%x: memref<1x3x2x32x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, %w: memref<2x1x32x16x!lowbit.uint<1>, #lowbit.layout<[d3 by 8, planes, d0, d1, d2 by 32, d3 in 8], i32>>, %y: memref<1x2x2x16xi32>) {
  lowbit.conv2d %x, %w outs(%y : memref<1x2x2x16xi32>) {schedule = #lowbit.schedule<algorithm = direct, microkernel = popcount_bytes_32x8, pixels = 1, vectors = 1, loops = [channels, rows, pixels]>} : memref<1x3x2x32x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, memref<2x1x32x16x!lowbit.uint<1>, #lowbit.layout<[d3 by 8, planes, d0, d1, d2 by 32, d3 in 8], i32>>
  func.return
}

// -----

// CHECK-LABEL: @rows
// CHECK:         scf.for [[ROW:%.*]] =
// CHECK:           scf.for [[CHANNEL:%.*]] =
// CHECK:             scf.for [[COLUMN:%.*]] =
// CHECK:               at(%{{.*}}, %{{.*}}, [[CHANNEL]], [[ROW]], [[COLUMN]])
func.func @rows(%x: memref<1x3x2x32x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, %w: memref<2x1x32x16x!lowbit.uint<1>, #lowbit.layout<[d3 by 8, planes, d0, d1, d2 by 32, d3 in 8], i32>>, %y: memref<1x2x2x16xi32>) {
  lowbit.conv2d %x, %w outs(%y : memref<1x2x2x16xi32>) {schedule = #lowbit.schedule<algorithm = direct, microkernel = popcount_bytes_32x8, pixels = 1, vectors = 1, loops = [rows, channels, pixels]>} : memref<1x3x2x32x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, memref<2x1x32x16x!lowbit.uint<1>, #lowbit.layout<[d3 by 8, planes, d0, d1, d2 by 32, d3 in 8], i32>>
  func.return
}

// -----

// CHECK-LABEL: @pixels
// CHECK:         scf.for [[ROW:%.*]] =
// CHECK:           scf.for [[COLUMN:%.*]] =
// CHECK:             scf.for [[CHANNEL:%.*]] =
// CHECK:               at(%{{.*}}, %{{.*}}, [[CHANNEL]], [[ROW]], [[COLUMN]])
func.func @pixels(%x: memref<1x3x2x32x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, %w: memref<2x1x32x16x!lowbit.uint<1>, #lowbit.layout<[d3 by 8, planes, d0, d1, d2 by 32, d3 in 8], i32>>, %y: memref<1x2x2x16xi32>) {
  lowbit.conv2d %x, %w outs(%y : memref<1x2x2x16xi32>) {schedule = #lowbit.schedule<algorithm = direct, microkernel = popcount_bytes_32x8, pixels = 1, vectors = 1, loops = [rows, pixels, channels]>} : memref<1x3x2x32x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, memref<2x1x32x16x!lowbit.uint<1>, #lowbit.layout<[d3 by 8, planes, d0, d1, d2 by 32, d3 in 8], i32>>
  func.return
}

// -----

// A line is filled, and written where it shows a row of the image; a window is one run of bits a row.

// CHECK-LABEL: @gathering
// CHECK:         scf.for [[LINE:%.*]] =
// CHECK:           llvm.store {{.*}} : vector<32xi8>
// CHECK:           scf.for {{.*}} {
// CHECK:             scf.for {{.*}} iter_args({{.*}}) -> (i64) {
// CHECK:         scf.for [[ROW:%.*]] =
// CHECK:           scf.for [[COLUMN:%.*]] =
// CHECK:             llvm.load {{.*}} -> vector<4xi32>
// CHECK-NOT:       scf.for
func.func @gathering(%x: memref<1x3x2x40x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>, %l: memref<1x5x320x!lowbit.uint<1>, #lowbit.layout<[d0, d1, planes, d2 by 32], i32>>, %y: memref<1x3x2x360x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>) {
  lowbit.lines %x outs(%l : memref<1x5x320x!lowbit.uint<1>, #lowbit.layout<[d0, d1, planes, d2 by 32], i32>>) {padding = array<i64: 1, 1, 1, 5>} : memref<1x3x2x40x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>
  lowbit.windows %l outs(%y : memref<1x3x2x360x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>) {channels = 40 : i64, kernel = array<i64: 3, 3>} : memref<1x5x320x!lowbit.uint<1>, #lowbit.layout<[d0, d1, planes, d2 by 32], i32>>
  func.return
}

// -----

// Pixels that are read are packed, all of a row in a straight line; records of pixels are copied.

// CHECK-LABEL: @subsampling
// CHECK-COUNT-2:   vector<32xi8>
// CHECK:           llvm.icmp "ne"
func.func @subsampling(%x: memref<1x3x3x32x!lowbit.uint<1>>, %y: memref<1x2x2x32x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>) {
  lowbit.subsample %x outs(%y : memref<1x2x2x32x!lowbit.uint<1>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>) {strides = array<i64: 2, 2>} : memref<1x3x3x32x!lowbit.uint<1>>
  func.return
}

// -----

// Channels of a pixel lie in a straight line: one loop over the pixels for each part, and no element alone.

// CHECK-LABEL: @joining
// CHECK:           scf.for
// CHECK-COUNT-2:     vector<32xi8>
// CHECK:           scf.for
// CHECK:             vector<16xi8>
// CHECK-NOT:         !llvm.ptr, i8
func.func @joining(%x: memref<1x3x3x32x!lowbit.uint<1>>, %y: memref<1x3x3x16x!lowbit.uint<1>>, %z: memref<1x3x3x48x!lowbit.uint<1>>) {
  lowbit.concat %x, %y outs(%z : memref<1x3x3x48x!lowbit.uint<1>>) {axis = 3 : i64} : memref<1x3x3x32x!lowbit.uint<1>>, memref<1x3x3x16x!lowbit.uint<1>>
  func.return
}
