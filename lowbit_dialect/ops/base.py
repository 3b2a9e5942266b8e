"""What every op of the dialect is."""

from __future__ import annotations

from abc import ABC

from xdsl.irdl import IRDLOperation
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.attributes import check_op


class LowbitOp(IRDLOperation, ABC):
    """An op of the dialect: it has the attributes of its definition, a name, and those of other dialects."""

    def verify(self, verify_nested_ops: bool = True) -> None:
        try:
            check_op(self)  # first: where `kernal` stands `kernel` is missing
        except VerifyException as error:
            self.emit_error(f"Operation does not verify: {error}", error)
        super().verify(verify_nested_ops)
