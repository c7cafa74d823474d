"""Why a domain's C++ core may be missing, in one sentence for all of them."""

from __future__ import annotations

from importlib.util import find_spec


def missing(body: str, package: str, error: ImportError) -> str:
    """Say why the core of a body, `_core` in a package, cannot be used, and what helps."""
    # Of a module that is not there, Python says that it may be imported in a circle.
    reason = error if find_spec(f"{package}._core") else "it was not built"
    return f"the {body}'s C++ core cannot be imported ({reason}); reinstall with a C++20 compiler: pip install ."
