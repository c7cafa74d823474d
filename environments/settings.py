"""Bounds that live with a setting's field, and the one check that reads them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Bounds:
    """The closed interval that a number must lie in."""

    low: float
    high: float = math.inf

    def __str__(self) -> str:
        return f"at least {self.low:.10g}" if math.isinf(self.high) else f"in [{self.low:.10g}, {self.high:.20g}]"


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
