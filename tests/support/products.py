"""What the probes of products should sum."""

import numpy as np

from lowering.backend.probe import A, B
from lowering.backend.product_probe import U8


def of_a_product(kind: str, narrow: bool) -> float:
    """The mean product of a round: of bytes, of i16, or of the floats."""
    if kind == "f32":
        return 0.5
    first, second = (U8, B) if narrow else (A, B)
    types = (np.uint8, np.int8) if narrow else (np.int16, np.int16)
    x, y = (np.array([v], np.uint64).view(t).astype(int) for v, t in zip((first, second), types))
    return float((x * y).mean())
