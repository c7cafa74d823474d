"""How often a card is set to work: an engine that quietly plays on the processor agrees with the processor.

python -m benchmarks.gpu_check.counting FILE COMMAND ...     `poet COMMAND ...` in this process, launches in FILE
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.commands import Ended, python
from benchmarks.gpu_check.target import CheckError

ALWAYS = {"POET_CUDA_FEWEST": "1"}  # in the environment: also a single episode goes to the card


@dataclass(slots=True)
class Launches:
    """Kernels that were started."""

    count: int = 0


@contextmanager
def counted() -> Iterator[Launches]:
    """Count the kernels that this process starts; none where the engine is not there."""
    found = Launches()
    try:
        from environments.walker2d.device import driver  # noqa: PLC0415
    except ImportError:
        yield found
        return
    launch = driver.Card.launch

    def counting(self: Any, *words: Any, **more: Any) -> None:
        launch(self, *words, **more)
        found.count += 1

    driver.Card.launch = counting  # type: ignore[method-assign]
    try:
        yield found
    finally:
        driver.Card.launch = launch  # type: ignore[method-assign]


def poet_on_card(place: Path, *words: object, **how: Any) -> tuple[Ended, int]:
    """Run a command of ours in one process, and count the kernels that it started."""
    file = place / "launches"
    file.unlink(missing_ok=True)
    ended = python("-m", "benchmarks.gpu_check.counting", file, *words, **{**ALWAYS, **how})
    return ended, int(file.read_text(encoding="utf-8")) if file.exists() else 0


def check_launched(count: int, what: str) -> None:
    """Raise CheckError unless the card was used."""
    if not count:
        raise CheckError(f"{what}: no kernel was started; the processor did the work")


def main() -> None:
    """Run `poet` with these words."""
    file = Path(sys.argv.pop(1))
    from poet.__main__ import main as run_poet  # noqa: PLC0415

    with counted() as launches:
        try:
            run_poet()
        finally:
            file.write_text(str(launches.count), encoding="utf-8")


if __name__ == "__main__":
    main()
