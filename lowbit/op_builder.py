"""What those who build ops have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from xdsl.ir import Operation, SSAValue


class OpBuilder(ABC):
    """Appends ops to a program."""

    @abstractmethod
    def add_op(self, name: str, make: Callable[[], Operation], *operands: SSAValue) -> SSAValue:
        """Append the op that `make` builds, verified, and return its result."""
