// A classifier written in the dialect: two binary layers and a ternary one, thresholds between them.
// The weights are arguments marked lowbit.constant: they are packed once, by @classifier_pack.
func.func @classifier(
    %image: tensor<1x12x12x16x!lowbit.uint<2>>,
    %w1: tensor<3x3x16x32x!lowbit.odd<1>> {lowbit.constant},
    %w2: tensor<3x3x32x64x!lowbit.odd<1>> {lowbit.constant},
    %w3: tensor<64x10x!lowbit.ternary> {lowbit.constant}) -> tensor<1x10xi32> {
  %t1 = lowbit.constant dense<[[-20, 0, 20]]> : tensor<1x3xi32> -> tensor<1x3xi32>
  %y1 = lowbit.conv2d %image, %w1 {padding = array<i64: 1, 1, 1, 1>}
      : tensor<1x12x12x16x!lowbit.uint<2>>, tensor<3x3x16x32x!lowbit.odd<1>> -> tensor<1x12x12x32xi32>
  %x1 = lowbit.threshold %y1, %t1
      : tensor<1x12x12x32xi32>, tensor<1x3xi32> -> tensor<1x12x12x32x!lowbit.uint<2>>
  %p1 = lowbit.max_pool %x1 {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>}
      : tensor<1x12x12x32x!lowbit.uint<2>> -> tensor<1x6x6x32x!lowbit.uint<2>>
  %t2 = lowbit.constant dense<[[1]]> : tensor<1x1xi32> -> tensor<1x1xi32>
  %y2 = lowbit.conv2d %p1, %w2 {strides = array<i64: 2, 2>}
      : tensor<1x6x6x32x!lowbit.uint<2>>, tensor<3x3x32x64x!lowbit.odd<1>> -> tensor<1x2x2x64xi32>
  %x2 = lowbit.threshold %y2, %t2
      : tensor<1x2x2x64xi32>, tensor<1x1xi32> -> tensor<1x2x2x64x!lowbit.uint<1>>
  %p2 = lowbit.max_pool %x2 {kernel = array<i64: 2, 2>}
      : tensor<1x2x2x64x!lowbit.uint<1>> -> tensor<1x1x1x64x!lowbit.uint<1>>
  %flat = lowbit.reshape %p2 : tensor<1x1x1x64x!lowbit.uint<1>> -> tensor<1x64x!lowbit.uint<1>>
  %scores = lowbit.dense %flat, %w3
      : tensor<1x64x!lowbit.uint<1>>, tensor<64x10x!lowbit.ternary> -> tensor<1x10xi32>
  func.return %scores : tensor<1x10xi32>
}
