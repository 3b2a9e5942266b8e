"""What every op of the dialect is."""

from __future__ import annotations

from abc import ABC

from xdsl.irdl import IRDLOperation, traits_def

from lowbit_dialect.attributes import HasKnownAttributes


class LowbitOp(IRDLOperation, ABC):
    """An op of the dialect."""

    traits = traits_def(HasKnownAttributes())
