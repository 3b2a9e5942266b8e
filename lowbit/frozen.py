"""Frozen values as JSON and back: dataclasses of plain fields, tuples, and what has a text of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from xdsl.dialects.builtin import TensorType
from xdsl.utils.exceptions import ParseError, VerifyException

from lowbit.registry import context
from lowbit.source import SourceParser
from lowbit_dialect.layout import ShapedValue
from lowbit_dialect.ops.common import check_layout
from lowbit_dialect.schedule import Schedule
from microkernels.target import Target

T = TypeVar("T")


def to_json(value: Any, kind: Any = None) -> Any:
    """What `json` writes for a frozen value, with the fields of a base class if `kind` is one."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, tuple):
        return [to_json(one) for one in cast(tuple[Any, ...], value)]
    if isinstance(value, (Schedule, Target, TensorType)):
        return str(cast(object, value))
    return {one.name: to_json(getattr(value, one.name)) for one in fields(kind or value)}


def from_json(kind: type[T], data: Any) -> T:
    """The value of a class that `to_json` wrote; raises ValueError for anything that it does not write."""
    return _read(kind, data)


def _read(kind: Any, data: Any) -> Any:
    if kind == ShapedValue:
        return _tensor(_plain(str, data))
    if kind in _TEXTS:
        return _TEXTS[kind](_plain(str, data))
    if get_origin(kind) in (Union, UnionType):
        (some,) = (one for one in get_args(kind) if one is not NoneType)
        return None if data is None else _read(some, data)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), _plain(list, data))
    if not is_dataclass(kind):
        return _plain(kind, data)
    given: dict[str, Any] = _plain(dict, data)
    hints = {field.name: get_type_hints(kind)[field.name] for field in fields(kind)}
    if given.keys() != hints.keys():
        raise ValueError(f"expected the fields {', '.join(hints)}, not {', '.join(given)}")
    values = {name: _read(hint, given[name]) for name, hint in hints.items()}
    return cast(Callable[..., Any], kind)(**values)


def _tuple(kinds: tuple[Any, ...], data: list[Any]) -> tuple[Any, ...]:
    if kinds[-1] is ...:
        return tuple(_read(kinds[0], one) for one in data)
    if len(data) != len(kinds):
        raise ValueError(f"expected {len(kinds)} values, not {len(data)}")
    return tuple(map(_read, kinds, data))


def _plain(kind: Any, data: Any) -> Any:
    if type(data) is not kind:
        raise ValueError(f"expected {kind.__name__}, not {data!r:.60}")
    return data


def _tensor(text: str) -> ShapedValue:
    try:
        type = SourceParser(context(), text, "type").parse_type()
        if not isinstance(type, TensorType) or str(cast(object, type)) != text:
            raise ValueError(f"expected a tensor type, not {text:.60}")
        check_layout(cast(TensorType[Any], type))
    except (ParseError, VerifyException) as error:
        raise ValueError(f"{text:.60} is no tensor type") from error
    return cast(TensorType[Any], type)


_TEXTS: Mapping[Any, Callable[[str], Any]] = {Schedule: Schedule.parse, Target: Target.parse}
