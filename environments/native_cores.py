"""Which engine of a domain is meant, and why its C++ core may be missing, in one sentence for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec


def missing(body: str, module: str, error: ImportError) -> str:
    """Say why the core of a body, a module, cannot be used, and what helps."""
    # Of a module that is not there, Python says that it may be imported in a circle.
    reason = error if find_spec(module) else "it was not built"
    return f"the {body}'s C++ core cannot be imported ({reason}); reinstall with a C++20 compiler: pip install ."


def chosen(name: str | None, engines: Iterable[str], problem: str | None) -> str:
    """Give the name of an engine that can be used: the first where none is named.

    Args:
        name: as it was asked for.
        engines: those that can be used.
        problem: why the native engine is not among them, if it is not.

    Raises:
        ValueError: there is no such engine, or it is not built.
    """
    names = list(engines)
    name = name or names[0]
    if name == "native" and name not in names:
        raise ValueError(f"engine is 'native', but {problem}")
    if name not in names:
        raise ValueError(f"engine is {name!r}; it must be one of {', '.join(names)}")
    return name
