"""NumPy's numbers as plain Python, seeds and counts as whole numbers: what a task is written down with.

Callers compute genomes and seeds with NumPy, whose scalars JSON does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np

SEEDS = 2**64


def plain(value: Any) -> Any:
    """Give a JSON value in plain Python: NumPy's scalars as numbers, its arrays and tuples as lists, -0.0 as 0.0.

    Raises:
        ValueError: it holds something that JSON has no word for.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value + 0.0  # -0.0 makes the same ground as 0.0 and would have another hash
    if value is None or isinstance(value, bool | int | str):
        return value
    raise ValueError(f"{value!r} is a {type(value).__name__}; a genome has numbers, text, lists and tables")


def is_count(value: object) -> TypeGuard[int]:
    """Say whether a value is a whole number of things: true and false are none, nor is what is below 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def whole_seed(seed: Any) -> int:
    """Give a seed as a plain whole number.

    Raises:
        ValueError: it is not one (true and false are none), or out of range.
    """
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
        raise ValueError(f"seed is {seed!r}; it must be a whole number in [0, 2^64)")
    if not 0 <= seed < SEEDS:
        bits = int(seed).bit_length()
        shown = seed if bits <= 128 else f"a number of {bits} bits"  # Python refuses to write very long ones
        raise ValueError(f"seed is {shown}; a seed lies in [0, 2^64)")
    return int(seed)
