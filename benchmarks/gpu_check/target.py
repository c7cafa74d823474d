"""What is checked, and against what: the engine `cuda` where a card is; without one a rehearsal of the same program.

Whether there is a card is asked of the driver, not of our engine: an engine that finds no card where there is one must
fail the check and not skip it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

SMALL = "POET_GPU_CHECK_SMALL"  # in the environment: do little of everything

Tell: TypeAlias = Callable[[str], None]
Figures: TypeAlias = dict[str, Any]


class CheckError(Exception):
    """What was checked is not so; the message says what is."""


class SkippedError(Exception):
    """It cannot be checked here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An engine, and the one that it must equal in every bit."""

    engine: str
    yardstick: str
    device: str  # where learners compute
    card: str | None  # its name; None in a rehearsal
    small: bool = False  # do little of everything, where that is asked for

    @property
    def rehearsal(self) -> bool:
        """Whether there is no card, so that the native engine stands in its place and Box2D in the native one's."""
        return self.card is None

    def sized(self, whole: int, little: int) -> int:
        """Choose how much is done: the reference, against which one rehearses, is thirty times slower."""
        return little if self.rehearsal or self.small else whole

    def needs_card(self, what: str) -> None:
        """Raise SkippedError in a rehearsal."""
        if self.rehearsal:
            raise SkippedError(f"{what} needs a card")

    def without(self) -> dict[str, str]:
        """Give environment variables with which a process is without the engine, as where its card is gone."""
        if not self.rehearsal:
            return {"CUDA_VISIBLE_DEVICES": ""}
        paths = (str(_without_native()), os.environ.get("PYTHONPATH"))
        return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}  # an empty one would be the working folder


def find_target() -> Target:
    """Look for a card."""
    card = find_card()
    if card is None:
        return Target(engine="native", yardstick="reference", device="cpu", card=None)
    return Target(engine="cuda", yardstick="native", device="cuda", card=card, small=SMALL in os.environ)


def find_card() -> str | None:
    """Ask NVIDIA's program, or else its driver, for the first card; None if neither knows of one."""
    program = shutil.which("nvidia-smi")
    if program is not None:
        asked = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        told = subprocess.run(asked, capture_output=True, encoding="utf-8", check=False)
        if told.returncode == 0 and told.stdout.strip():
            return told.stdout.splitlines()[0].strip()
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count = ctypes.c_int()
    there = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    return "a card without a name" if there else None


def _without_native() -> Path:
    """Make a folder that keeps every Python that has it on its path from loading the walker's core."""
    folder = Path(tempfile.gettempdir()) / "poet_without_native"
    folder.mkdir(exist_ok=True)
    text = "import sys\n\nsys.modules['environments.walker2d.native._core'] = None\n"
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    return folder
