"""Which niches to list, and in which order: filters, search and sorting over inspection's values."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from poet.errors import InputError

Row = dict[str, Any]

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
CONDITION = re.compile(r"\s*(\w+)\s*(>=|<=|!=|>|<|=)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")


class State(StrEnum):
    """Niches by what became of them."""

    ACTIVE = "active"
    RETIRED = "retired"
    SOLVED = "solved"
    UNSOLVED = "unsolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is wanted of a list of niches."""

    state: State | None = None
    search: str | None = None
    where: Sequence[str] = ()
    sort: str = "id"
    descending: bool = False
    limit: int | None = None


def select(entries: Sequence[Row], wanted: Selection) -> list[Row]:
    """Filter, sort and cut a list of niches; those without a value to sort by come last.

    Raises:
        InputError: a column is unknown or a condition is none.
    """
    conditions = [_condition(text) for text in wanted.where]
    for column in [wanted.sort, *(name for name, _, _ in conditions)]:
        _check_column(entries, column)
    found = [entry for entry in entries if _matches(entry, wanted, conditions)]
    known = [entry for entry in found if _value(entry, wanted.sort) is not None]
    unknown = [entry for entry in found if _value(entry, wanted.sort) is None]
    known.sort(key=lambda entry: _value(entry, wanted.sort), reverse=wanted.descending)
    return [*known, *unknown][: wanted.limit]


Condition = tuple[str, str, float]


def _condition(text: str) -> Condition:
    match = CONDITION.fullmatch(text)
    try:
        if match:
            return match[1], match[2], float(match[3])
    except ValueError:
        pass
    raise InputError(f"--where {text!r} is no condition; write a column, one of {' '.join(OPERATORS)}, and a number")


def _check_column(entries: Sequence[Row], column: str) -> None:
    if not entries:
        return
    known = [name for name in entries[0] if name != "genome"]
    # Genes that appear with a later niche count too, such as those of obstacles on a CPPN's ground.
    genes = list(dict.fromkeys(gene for entry in entries for gene in _genes(entry)))
    if column not in (*known, *genes):
        raise InputError(f"column {column!r} is unknown; there are {', '.join([*known, *genes])}")


def _matches(entry: Row, wanted: Selection, conditions: Sequence[Condition]) -> bool:
    states = {
        State.ACTIVE: entry["retired"] is None,
        State.RETIRED: entry["retired"] is not None,
        State.SOLVED: entry["solved"] is not None,
        State.UNSOLVED: entry["solved"] is None,
    }
    if wanted.state is not None and not states[wanted.state]:
        return False
    text = f"{entry['id']} {entry['environment']} {entry['description']} {entry['difficulty_level'] or ''}".lower()
    if wanted.search is not None and wanted.search.lower() not in text:
        return False
    return all(_holds(_value(entry, column), sign, number) for column, sign, number in conditions)


def _holds(value: Any, sign: str, number: float) -> bool:
    return isinstance(value, int | float) and OPERATORS[sign](value, number)


def _value(entry: Row, column: str) -> Any:
    """Give what to compare: a range counts by its upper end, more numbers by the least, other lists by their length."""
    value = entry[column] if column in entry else _genes(entry).get(column)
    if not isinstance(value, list):
        return value
    if not value or not isinstance(value[-1], int | float):
        return len(value)
    return value[-1] if len(value) == 2 else min(value)


def _genes(entry: Row) -> Row:
    """List the genes that can be compared, those of parts of the genome too: of obstacles and of what is hidden."""
    genome = entry["genome"]
    return {
        name: value
        for part in (genome, genome.get("parametric", {}), genome.get("physics", {}))
        for name, value in part.items()
        if not isinstance(value, dict)
    }
