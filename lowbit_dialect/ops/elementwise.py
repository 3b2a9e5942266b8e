"""Elementwise ops. Each works on a tensor, or inside an epilogue on one accumulator.

Tables (`thresholds`, `scale`, ...) hold one row for each channel, or one row for all. The channel axis is
the last unless `axis` says otherwise; inside an epilogue it is the channel of the op around it. Float
arithmetic is f32, one rounding an operation, in the order of each formula.
"""

from lowbit_dialect.ops.apply import ApplyOp, PreluOp
from lowbit_dialect.ops.arithmetic import BatchNormOp, ClipOp
from lowbit_dialect.ops.binary import AddOp, BinaryOp, DivOp, MulOp
from lowbit_dialect.ops.elementwise_base import LAST, ROUNDINGS, ElementwiseOp, result_like
from lowbit_dialect.ops.quantizers import QuantizeOp, RequantizeOp, RescaleOp, ThresholdOp

__all__ = [
    "LAST",
    "ROUNDINGS",
    "AddOp",
    "ApplyOp",
    "BatchNormOp",
    "BinaryOp",
    "ClipOp",
    "DivOp",
    "ElementwiseOp",
    "MulOp",
    "PreluOp",
    "QuantizeOp",
    "RequantizeOp",
    "RescaleOp",
    "ThresholdOp",
    "result_like",
]
