"""Bodies with other numbers, by the name of their domain: `hexapod3d[legs=8,tibia=0.42]`.

A name says all that a body has different, so that whoever meets it, in an archive, a curriculum or a task, has the
same robot. One body has one name: numbers in the order of `numbers`, in their shortest form, none that is unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from environments.hexapod3d.body import Body, Segment, check_legs

TRUNK = ("trunk_length", "trunk_width", "trunk_thickness")
SCALARS = ("mass", "foot_radius", "torque", "speed", "stiffness", "splay")
OF_SEGMENT = ("length", "mass", "thickness", "rotor", "low", "high", "stance")


def numbers(body: Body) -> dict[str, float]:
    """Give every number of a body by the name under which it can be changed; a segment's own name is its length."""
    return {
        "legs": 2 * body.pairs_of_legs,
        **dict(zip(TRUNK, body.size, strict=True)),
        **{name: getattr(body, name) for name in SCALARS},
        **{_key(segment.name, part): getattr(segment, part) for segment in body.segments for part in OF_SEGMENT},
    }


def varied(body: Body, options: Mapping[str, str]) -> Body:
    """Give a body with other numbers.

    Args:
        body: that they are taken of otherwise.
        options: by the names of `numbers`.

    Raises:
        ValueError: a name is unknown, its value is no number, or there can be no such body.
    """
    new = numbers(body)
    for name, text in options.items():
        if name not in new:
            raise ValueError(f"the body has no {name!r}; what can be changed is {', '.join(new)}")
        try:
            new[name] = float(text)
        except ValueError:
            raise ValueError(f"{name} is {text!r}; it must be a number") from None
    check_legs(new["legs"])
    changed: dict[str, Any] = {name: new[name] for name in SCALARS}
    return replace(
        body,
        pairs_of_legs=int(new["legs"]) // 2,
        size=(new["trunk_length"], new["trunk_width"], new["trunk_thickness"]),
        segments=tuple(_varied(segment, new) for segment in body.segments),
        **changed,
    )


def _varied(segment: Segment, new: Mapping[str, float]) -> Segment:
    changed: dict[str, Any] = {part: new[_key(segment.name, part)] for part in OF_SEGMENT}
    return replace(segment, **changed)


def written(body: Body, other: Body) -> str:
    """Write what another body has different, for the name of its domain; nothing where they are the same."""
    before, after = numbers(body), numbers(other)
    changes = [f"{name}={_short(value)}" for name, value in after.items() if value != before[name]]
    return f"[{','.join(changes)}]" if changes else ""


def _short(value: float) -> str:
    return str(int(value) if value == int(value) else value)


def _key(segment: str, part: str) -> str:
    return segment if part == "length" else f"{segment}_{part}"
