"""Settings are frozen dataclasses: bounds that live with a field, the check that reads them, building from tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Bounds:
    """The closed interval that a number must lie in."""

    low: float
    high: float = math.inf

    def __str__(self) -> str:
        low, high = (f"{end:.10g}" if isinstance(end, float) else str(end) for end in (self.low, self.high))
        return f"at least {low}" if math.isinf(self.high) else f"in [{low}, {high}]"


def check_bounds(settings: Any) -> None:
    """Check every field annotated with `Bounds`.

    Raises:
        ValueError: a field lies outside; the message gives its name, value and bounds.
    """
    hints = get_type_hints(type(settings), include_extras=True)
    for field in fields(settings):
        if get_origin(hints[field.name]) is not Annotated:
            continue
        bounds, value = get_args(hints[field.name])[1], getattr(settings, field.name)
        if value is not None and not bounds.low <= value <= bounds.high:
            raise ValueError(f"{field.name} is {value}; it must be {bounds}")


def build_settings(kind: Any, table: Mapping[str, Any], path: str = "") -> Any:
    """Make a settings class, with those inside it, from a table such as TOML or JSON give.

    Raises:
        ValueError: a key is unknown, or a value is of the wrong type or out of range; the message gives its `path`.
    """
    hints = get_type_hints(kind, include_extras=True)
    known = [each.name for each in fields(kind)]
    for key in table:
        if key not in known:
            raise ValueError(f"unknown setting {path}{key}; known are {', '.join(path + name for name in known)}")
    values = {key: _convert(hints[key], value, path + key) for key, value in table.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{path}{error}") from error


def _convert(hint: Any, value: Any, path: str) -> Any:
    if get_origin(hint) is Annotated:
        return _convert(get_args(hint)[0], value, path)
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ValueError(f"{path} is {value!r}; it must be a table of settings")
        return build_settings(hint, value, f"{path}.")
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        return tuple(_convert(get_args(hint)[0], each, path) for each in value)
    expected: Sequence[Any] = get_args(hint) if isinstance(hint, UnionType) else (get_origin(hint) or hint,)
    if float in expected and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{path} has {len(hex(value))} hexadecimal digits; it must be finite") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path} is {value}; it must be finite")
    if not isinstance(value, tuple(expected)) or (isinstance(value, bool) and bool not in expected):
        names = " or ".join(TYPE_NAMES.get(kind, kind.__name__) for kind in expected)
        raise ValueError(f"{path} is {value!r}; it must be {names}")
    return value


def flat(table: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Lay nested tables out as one, by dotted names."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= flat(value, f"{path}{key}.") if isinstance(value, Mapping) else {path + key: value}
    return found


def differences(old: Mapping[str, Any], new: Mapping[str, Any], free: Sequence[str] = ()) -> list[str]:
    """List by name where two tables differ, as ``es.pairs was 256, is 64``, but for what is free to change."""
    before, after = flat(old), flat(new)
    names = sorted((set(before) | set(after)) - set(free))
    return [
        f"{name} was {before.get(name)!r}, is {after.get(name)!r}"
        for name in names
        if before.get(name) != after.get(name)
    ]


TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Mapping: "a table",
    tuple: "a list",
}
