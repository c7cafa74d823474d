"""Text that others wrote, made harmless to show.

Archives, curricula, agent files and names of files come from strangers. Written as they are, their strings can move
a terminal's cursor, set its title, turn text around or forge lines. `printable` is what all of them pass through
before a person sees them; consoles read no markup (`poet/display/output.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

# Control characters, invisible ones that change how others look, halves of surrogate pairs, breaks of line.
HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
LONGEST_WORD = 200  # characters in a sentence
LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")
ENDS = 40  # characters kept of a longer one, before and after


def printable(text: str) -> str:
    r"""Give text on one line in which every character that could do more than be seen is escaped, as \x1b is."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(each) if unicodedata.category(each) in HARMFUL else each for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def printable_values(value: Any) -> Any:
    """Make every string within a plain value printable, keys too."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable_values(key): printable_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [printable_values(each) for each in value]
    return value


def shortened(sentence: str) -> str:
    """Leave out the middle of words that are too long to be read, such as numbers of 5,000 digits."""
    return LONG_WORD.sub(lambda word: _ends(word[0]), sentence)


def _ends(word: str) -> str:
    return f"{word[:ENDS]}[...{len(word) - 2 * ENDS:,} characters...]{word[-ENDS:]}"
