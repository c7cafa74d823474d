"""What several runs are called: their folders' names, with as much of the path as tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from poet.errors import InputError


def names_of(folders: Sequence[Path]) -> list[str]:
    """Name runs by their folders, with as many of the folders above as it takes to tell them apart.

    Raises:
        InputError: one is named twice.
    """
    whole = [folder.resolve() for folder in folders]
    for place, folder in enumerate(whole):
        if folder in whole[:place]:
            raise InputError(f"{folders[place]} is named twice; name each run once")
    lengths = [1] * len(whole)
    while True:
        names = ["/".join(folder.parts[-length:]) for folder, length in zip(whole, lengths, strict=True)]
        unclear = {name for name, count in Counter(names).items() if count > 1}
        if not unclear:
            return names
        # Of two equal names one folder's path may be all used up, and it is told apart by the other's.
        longer = [
            name in unclear and length < len(path.parts)
            for name, length, path in zip(names, lengths, whole, strict=True)
        ]
        lengths = [length + more for length, more in zip(lengths, longer, strict=True)]
