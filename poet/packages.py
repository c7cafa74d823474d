"""Our top-level names are plain words, which a user's own folders may bear: say which file is in the way."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("environments", "evolution", "transfer", "cluster", "meta_learners")


def stranger() -> str | None:
    """Say in a sentence which of our packages Python would take from somebody else; None when none."""
    ours = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        spec = find_spec(name)
        places = [] if spec is None else [Path(place).resolve() for place in spec.submodule_search_locations or ()]
        if ours / name not in places:
            found = "missing" if spec is None else spec.origin or str(places[0])
            return (
                f"POET's own package {name!r} ({ours / name}) is hidden by {found}, which comes before it on Python's "
                "path: rename that, take it off PYTHONPATH, or start from another folder"
            )
    return None
