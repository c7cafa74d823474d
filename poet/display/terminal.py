"""The terminal's own doings that would spoil a picture drawn on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

try:
    import termios
except ImportError:  # not a Unix
    termios = None  # type: ignore[assignment]

LOCAL_FLAGS = 3  # of what `termios.tcgetattr` gives


@contextmanager
def without_echoed_keys() -> Iterator[None]:
    """Keep keys, and the ^C of Ctrl-C, from being written into a picture; signals come through as ever."""
    if not _ours():
        yield
        return
    before = termios.tcgetattr(sys.stdin.fileno())
    quiet = list(before)
    quiet[LOCAL_FLAGS] &= ~termios.ECHO
    _set(quiet)
    try:
        yield
    finally:
        _set(before)


def _ours() -> bool:
    """Say whether keys are typed to this process: one in the background that set its terminal would be stopped."""
    if termios is None or sys.stdin is None or not sys.stdin.isatty():
        return False
    with suppress(OSError):
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return False


def _set(attributes: Any) -> None:
    if _ours():
        with suppress(termios.error):
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, attributes)
