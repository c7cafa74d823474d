"""JSON and TOML that somebody else wrote, as plain values that can be trusted to be plain.

The parsers of the standard library end deep nesting in RecursionError, advise on interpreter settings for long
numbers, and let numbers through that no float holds. Here all of that is a ValueError in a few words, which whoever
knows the file or the option puts after its name.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

DEEPEST = 64  # tables within tables: no document of ours has more than a few
LARGEST_BITS = 1000  # of a whole number: every float holds it, and it can be printed


class NotTOMLError(ValueError):
    """A text is not TOML."""


def parse_json(text: str | bytes) -> Any:
    """Read a JSON text.

    Raises:
        ValueError: it is not JSON, is nested too deeply or holds a number that is too large; the message says which.
    """
    with _explained("JSON", ValueError):
        value = json.loads(text)
    check_plain(value, finite=True)
    return value


def parse_toml(text: str | bytes) -> dict[str, Any]:
    """Read a TOML text.

    Raises:
        NotTOMLError: it is not TOML.
        ValueError: it is nested too deeply or holds a number that is too large.
    """
    with _explained("TOML", NotTOMLError):
        value = tomllib.loads(text.decode() if isinstance(text, bytes) else text)
    check_plain(value)
    return value


@contextmanager
def _explained(kind: str, of_another: type[ValueError]) -> Iterator[None]:
    """Turn what a parser raises into a few words; into an error `of_another` kind where the text is not of this one."""
    try:
        yield
    except RecursionError:
        raise ValueError(_too_deep()) from None
    except json.JSONDecodeError as error:
        raise of_another(f"is not {kind}: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except tomllib.TOMLDecodeError as error:
        raise of_another(f"is not {kind}: {error}") from None
    except UnicodeDecodeError as error:
        raise of_another(f"is not {kind}: byte {error.start} is not UTF-8") from None
    except ValueError:
        raise ValueError(_too_large()) from None  # the one other thing that its numbers can be


def check_plain(value: Any, finite: bool = False) -> None:
    """Raise ValueError if values are nested too deeply, or a number is too large (or, where told so, not finite)."""
    level = [value]
    for _ in range(DEEPEST):
        if any(isinstance(each, int) and each.bit_length() > LARGEST_BITS for each in level):
            raise ValueError(_too_large())
        if finite and any(isinstance(each, float) and not math.isfinite(each) for each in level):
            raise ValueError("holds a number that is not finite")
        level = [
            child
            for each in level
            if isinstance(each, Mapping | list)
            for child in (each.values() if isinstance(each, Mapping) else each)
        ]
        if not level:
            return
    raise ValueError(_too_deep())


def _too_deep() -> str:
    return f"is nested too deeply; {DEEPEST} levels are the most"


def _too_large() -> str:
    return "holds a number with more than 300 digits"
