"""What it takes to lay activations out: gathered windows, or words that hold no whole channels.

Issue slots of one output pixel, as kernels state them for an output, fitted to measured times (Zen 3, AVX2).
"""

from __future__ import annotations

from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.contraction import Contraction
from microkernels.interface import Microkernel

RUN = 6.0
"""Slots of one run of bits or bytes in a line: its address, and by how much to shift."""
VECTOR = 12.0
"""Of moving one vector of 8 words of it."""
PIECE = 4.0
"""Of copying one vector of bytes."""
PIXEL = 13.0
"""Of writing up to 56 bits of a pixel to its line."""
WORD = 3.0
"""Of preparing a word of 32 bits for a kernel that reads something else."""
ELEMENT = 14.0
"""Of storing one element elsewhere, where that is not vectorised."""
TABLES = 50.0
"""Of the sums of one pixel by tables, however few of these: 28 x 28 pixels of 64 outputs take 4 us more than
the look-ups of 9 taps of one channel."""


def fills_words(work: Contraction, kernel: Microkernel) -> bool:
    """Whether the channels of a pixel fill the words of a kernel, so that gathering windows gains nothing."""
    return work.inputs % kernel.channels_per_word == 0


def gathering(work: Contraction, kernel: Microkernel) -> float:
    """Issue slots of gathering one window for a kernel."""
    if work.subsamples:
        return 0  # pixels as they lie, and fewer of them
    rows, columns = work.window.rows, work.window.columns
    joined = columns.kernel if columns.dilation == 1 else 1
    runs, length = rows.kernel * columns.kernel // joined, joined * work.inputs
    layout = kernel.input_layout(work.gathered)
    if not layout.encoded:
        return runs * (RUN + PIECE * -(-length // 32) * (1 + bool(length & (length - 1))))
    assert isinstance(work.activation, CodeType)
    moves = runs * -(-(length + 16) // 256)
    seen = rows.size * columns.size / (rows.out * columns.out)
    line = PIXEL * -(-work.inputs // 56) * seen
    words = 0 if layout.packed and layout.word_width >= 32 else WORD * -(-work.depth // 32)
    planes = work.activation.planes * (VECTOR * moves + line + words)
    return runs * RUN + planes + (TABLES if layout.table else 0)


def relaying(work: Contraction, kernel: Microkernel) -> float:
    """Issue slots of one output pixel beside its taps, where words do not hold whole pixels."""
    size, layout = kernel.channels_per_word, kernel.input_layout(work)
    if fills_words(work, kernel):
        return 0
    if layout.encoded:
        return TABLES if layout.table else 0
    rows, columns = work.window.rows, work.window.columns
    seen = rows.size * columns.size / (rows.out * columns.out)
    return ELEMENT * -(-work.inputs // size) * size * seen
