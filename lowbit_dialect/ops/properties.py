"""Constraints on properties and types that fail with a sentence naming what would be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from typing_extensions import TypeVar
from xdsl.dialects.builtin import (
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    MemRefType,
    StringAttr,
    TensorType,
    i64,
)
from xdsl.ir import Attribute
from xdsl.irdl import AttrConstraint, IntConstraint, VerificationContext
from xdsl.utils.exceptions import VerifyException

AttributeT = TypeVar("AttributeT", bound=Attribute, covariant=True)


@dataclass(frozen=True)
class Fits(AttrConstraint[AttributeT]):
    """An attribute of one class for which a predicate holds."""

    kind: type[AttributeT]
    sentence: str
    """What is expected, such as `groups is an i64`."""
    holds: Callable[[Any], bool] = lambda attr: True

    def verify(self, attr: Attribute, constraint_context: VerificationContext) -> None:
        if not (isinstance(attr, self.kind) and self.holds(attr)):
            found = attr.data if isinstance(attr, StringAttr) else attr
            raise VerifyException(f"{self.sentence}, not {found}")

    def get_bases(self) -> set[type[Attribute]] | None:
        return {self.kind}

    def mapping_type_vars(
        self, type_var_mapping: Mapping[TypeVar, AttrConstraint | IntConstraint]
    ) -> Fits[AttributeT]:
        return self


def integers(name: str, size: int | None = None) -> AttrConstraint[DenseArrayBase[IntegerType]]:
    """An `array<i64: ...>` of `size` numbers, or of any number of them."""

    def holds(attr: DenseArrayBase[IntegerType]) -> bool:
        return attr.elt_type == i64 and size in (None, len(attr))

    sentence = f"{name} is an array<i64>" if size is None else f"{name} has {size} numbers"
    return Fits(cast(type[DenseArrayBase[IntegerType]], DenseArrayBase), sentence, holds)


def integer(name: str) -> AttrConstraint[IntegerAttr[IntegerType]]:
    """An integer of type i64."""
    kind = cast(type[IntegerAttr[IntegerType]], IntegerAttr)
    return Fits(kind, f"{name} is an integer of type i64", lambda attr: attr.type == i64)


def one_of(name: str, options: Sequence[str]) -> Fits[StringAttr]:
    """A string out of a few."""
    listed = f"{', '.join(options[:-1])} or {options[-1]}"
    return Fits(StringAttr, f"{name} is {listed}", lambda attr: attr.data in options)


def string(name: str) -> Fits[StringAttr]:
    """Any string."""
    return Fits(StringAttr, f"{name} is a string")


def number(name: str) -> Fits[FloatAttr]:
    """A float."""
    return Fits(FloatAttr, f"{name} is a float")


RESULT: Fits[TensorType[Any]] = Fits(TensorType, "the result is a tensor; a memref goes to outs")


def memref(name: str) -> Fits[MemRefType[Any]]:
    """A memref."""
    return Fits(MemRefType, f"{name} is a memref")
