"""Verify a module, ops that are alike once.

Whether an op without regions verifies is decided by its kind, types and attributes: no verifier looks through
other ops, but for those of symbols and terminators, which are all looked at. xDSL takes 25 us an op, and
generated code has thousands that repeat.
"""

from __future__ import annotations

from xdsl.ir import Attribute, Block, Operation
from xdsl.traits import OpTrait


def verify_module(module: Operation) -> None:
    """Raise what `module.verify()` does, at the first op that does not verify."""
    _Verification().below(module)


class _Verification:
    """What has verified so far."""

    def __init__(self) -> None:
        self._seen: set[tuple[object, ...]] = set()
        self._local: dict[type[Operation], bool] = {}
        self._numbers: dict[Attribute, int] = {}
        # By identity first, since hashing takes longer: nothing goes away meanwhile.
        self._known: dict[int, int] = {}

    def below(self, op: Operation) -> None:
        """Verify what is in the regions of `op`, then `op`."""
        for region in op.regions:
            for block in region.blocks:
                if block.first_op is None or block.parent is not region:
                    region.verify()
                self._block(block)
        op.verify(verify_nested_ops=False)

    def _block(self, block: Block) -> None:
        op = block.first_op
        while op is not None:
            if op.parent is not block:
                block.verify()
            if op.regions:
                self.below(op)
            elif op.next_op is None or not self._is_local(type(op)):
                op.verify()
            elif (likeness := self._likeness(op)) not in self._seen:
                op.verify()
                self._seen.add(likeness)
            op = op.next_op

    def _is_local(self, kind: type[Operation]) -> bool:
        """Whether no trait of such ops has a verifier, which might look elsewhere."""
        known = self._local.get(kind)
        if known is None:
            traits = kind.traits.traits
            known = self._local[kind] = all(type(one).verify is OpTrait.verify for one in traits)
        return known

    def _likeness(self, op: Operation) -> tuple[object, ...]:
        """What decides whether an op verifies: all but the places of what it reads."""
        known = self._known
        parts: list[object] = [type(op), len(op.results)]
        for values in (op.operands, op.results):
            for value in values:
                parts.append(type(value))
                type_ = value.type
                parts.append(known.get(id(type_)) or self._number(type_))
        for held in (op.properties, op.attributes):
            for name, attribute in held.items():
                parts.append(name)
                parts.append(known.get(id(attribute)) or self._number(attribute))
        return tuple(parts)

    def _number(self, attribute: Attribute) -> int:
        """A number from 1 on that equal attributes share."""
        number = self._numbers.setdefault(attribute, len(self._numbers) + 1)
        self._known[id(attribute)] = number
        return number
