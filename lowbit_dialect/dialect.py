"""The `lowbit` dialect: low-bit tensors, their layouts, and the operators on them.

    %x = lowbit.bitpack %a : tensor<1x56x56x64x!lowbit.uint<2>>
           -> tensor<1x56x56x64x!lowbit.uint<2>, #lowbit.layout<[d0, d1, d2, planes, d3 by 32], i32>>

An element type says what a code means, a layout how it is stored, a schedule how an op runs; none is
ever guessed. `lowbit_dialect/reference.py` holds the meaning of every op.
"""

from xdsl.ir import Dialect

from lowbit_dialect.codes import IntType, OddType, TernaryType, UIntType
from lowbit_dialect.layout import LayoutAttr
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.conversions import BitpackOp, RelayoutOp, UnpackOp
from lowbit_dialect.ops.corrections import CorrectionsOp
from lowbit_dialect.ops.elementwise import (
    AddOp,
    ApplyOp,
    BatchNormOp,
    ClipOp,
    DivOp,
    MulOp,
    PreluOp,
    QuantizeOp,
    RequantizeOp,
    RescaleOp,
    ThresholdOp,
)
from lowbit_dialect.ops.gather import LinesOp, SubsampleOp, WindowsOp
from lowbit_dialect.ops.linear import Conv2dOp, DenseOp
from lowbit_dialect.ops.movement import ConcatOp, ExtractSliceOp, PadOp, RepeatOp
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp
from lowbit_dialect.ops.reshaping import ReshapeOp, SliceOp, TransposeOp
from lowbit_dialect.ops.rows import ReduceOp, TopKOp
from lowbit_dialect.ops.tile import TileOp, YieldOp
from lowbit_dialect.schedule import ScheduleAttr

Lowbit = Dialect(
    "lowbit",
    [
        ConstantOp,
        BitpackOp,
        UnpackOp,
        RelayoutOp,
        ReshapeOp,
        TransposeOp,
        ConcatOp,
        ExtractSliceOp,
        PadOp,
        RepeatOp,
        SliceOp,
        LinesOp,
        SubsampleOp,
        WindowsOp,
        Conv2dOp,
        DenseOp,
        CorrectionsOp,
        ThresholdOp,
        RequantizeOp,
        RescaleOp,
        QuantizeOp,
        BatchNormOp,
        MulOp,
        DivOp,
        ClipOp,
        AddOp,
        ApplyOp,
        PreluOp,
        MaxPoolOp,
        AvgPoolOp,
        ReduceOp,
        TopKOp,
        TileOp,
        YieldOp,
    ],
    [UIntType, IntType, OddType, TernaryType, LayoutAttr, ScheduleAttr],
)
