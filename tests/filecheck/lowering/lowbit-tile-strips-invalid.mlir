// RUN: lowbit-opt %s -p 'lowbit-tile{target="x86-64-v3"}' --split-input-file --verify-diagnostics | filecheck %s

// What tables are made from is overwritten by the result, so that they cannot wait.

// CHECK: 'lowbit.conv2d': tables = strips is for tables that this op alone reads, on one thread
func.func @overwritten(%arena: memref<2048xi8>, %w: memref<1x3x4x32x!lowbit.odd<1>, #lowbit.layout<[d3 by 32, planes, d0, d1, d2 by 4, d3 in 32], i8>>, %c: memref<1x1x32xi32, #lowbit.layout<[d0, d1, d2 by 32, d2 in 32], i32>>) {
  %x = lowbit.slice %arena at 0 : memref<2048xi8> to memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>
  %t = lowbit.slice %arena at 1024 : memref<2048xi8> to memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, d3 by 4, choices], i8>>
  %y = lowbit.slice %arena at 0 : memref<2048xi8> to memref<1x4x1x32xi32>
  lowbit.relayout %x outs(%t : memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, d3 by 4, choices], i8>>) : memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>
  lowbit.conv2d %t, %w corrections(%c : memref<1x1x32xi32, #lowbit.layout<[d0, d1, d2 by 32, d2 in 32], i32>>) outs(%y : memref<1x4x1x32xi32>) {schedule = #lowbit.schedule<algorithm = direct, microkernel = lookup_4x32, pixels = 1, vectors = 1, unroll = 1, taps = none, loops = [rows by 2, channels, rows, pixels], planes = outer, prefetch = 0, borders = peeled, tables = strips, parallel = none>} : memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, d3 by 4, choices], i8>>, memref<1x3x4x32x!lowbit.odd<1>, #lowbit.layout<[d3 by 32, planes, d0, d1, d2 by 4, d3 in 32], i8>>
  func.return
}

// -----

// CHECK: 'lowbit.conv2d': the schedule leaves tables open: run lowbit-plan
func.func @open(%arena: memref<2048xi8>, %w: memref<1x3x4x32x!lowbit.odd<1>, #lowbit.layout<[d3 by 32, planes, d0, d1, d2 by 4, d3 in 32], i8>>, %c: memref<1x1x32xi32, #lowbit.layout<[d0, d1, d2 by 32, d2 in 32], i32>>) {
  %x = lowbit.slice %arena at 0 : memref<2048xi8> to memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>
  %t = lowbit.slice %arena at 1024 : memref<2048xi8> to memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, d3 by 4, choices], i8>>
  %y = lowbit.slice %arena at 0 : memref<2048xi8> to memref<1x4x1x32xi32>
  lowbit.relayout %x outs(%t : memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, d3 by 4, choices], i8>>) : memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>
  lowbit.conv2d %t, %w corrections(%c : memref<1x1x32xi32, #lowbit.layout<[d0, d1, d2 by 32, d2 in 32], i32>>) outs(%y : memref<1x4x1x32xi32>) {schedule = #lowbit.schedule<algorithm = direct, microkernel = lookup_4x32, pixels = 1, vectors = 1, unroll = 1, taps = none, loops = [rows by 2, channels, rows, pixels], planes = outer, prefetch = 0, borders = peeled>} : memref<1x4x3x4x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, d3 by 4, choices], i8>>, memref<1x3x4x32x!lowbit.odd<1>, #lowbit.layout<[d3 by 32, planes, d0, d1, d2 by 4, d3 in 32], i8>>
  func.return
}
