"""The kernels compiled for the card, side by side, since each takes a minute; every later part finds them in the cache.

In a rehearsal they are compiled for an H100: NVRTC needs no card.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from typing import Any

from benchmarks.gpu_check.target import CheckError, Figures, SkippedError, Target, Tell

REHEARSED = "sm_90"
Job = tuple[str, str, dict[str, str]]  # source, architecture, macros


def jobs(architecture: str) -> list[Job]:
    """List every build that an engine or worlds may ask for, the largest first."""
    from environments.walker2d.device import episodes, stepper  # noqa: PLC0415

    def of_worlds(contacts: int) -> dict[str, str]:
        return {"WALKER_CONTACTS": str(contacts), "WALKER_BLOCK": str(stepper.BLOCK)}

    return [
        (episodes.SOURCE, architecture, episodes.macros(episodes.MOST_CONTACTS)),
        (episodes.SOURCE, architecture, episodes.macros(episodes.CONTACTS)),
        (stepper.SOURCE, architecture, of_worlds(stepper.MOST)),
        (stepper.SOURCE, architecture, of_worlds(stepper.FEW)),
    ]


def compile_one(job: Job) -> tuple[float, dict[str, Any]]:
    """Compile a build and keep it; seconds, and what a thread of it takes."""
    from environments.walker2d.device import toolchain  # noqa: PLC0415

    began = time.monotonic()
    code, resources = toolchain.compiled(*job)
    toolchain.keep(toolchain.kept_at(*job), code)
    return time.monotonic() - began, {**asdict(resources), "bytes": len(code)}


def check_compiling(target: Target, tell: Tell) -> Figures:
    """Compile all, and see that the cache gives them at once then."""
    from environments.walker2d.device import driver, toolchain  # noqa: PLC0415

    if reason := toolchain.problem():
        if target.rehearsal:
            raise SkippedError(reason)
        raise CheckError(reason)
    found = driver.found()
    if not target.rehearsal and isinstance(found, str):
        raise CheckError(f"there is a card, {target.card}, and the engine finds none: {found}")
    architecture = REHEARSED if isinstance(found, str) else found[0].architecture
    listed = jobs(architecture)
    figures: Figures = {"nvrtc": toolchain.version(), "architecture": architecture, "builds": []}
    with ProcessPoolExecutor(min(len(listed), len(os.sched_getaffinity(0))), get_context("spawn")) as pool:
        for (source, _, macros), (seconds, takes) in zip(listed, pool.map(compile_one, listed), strict=True):
            contacts = macros["WALKER_CONTACTS"]
            shown = ", ".join(f"{name} {value:,}" for name, value in takes.items())
            tell(f"{source} for {contacts} contacts, {architecture}: {seconds:.0f} s; {shown}")
            figures["builds"].append({"source": source, "contacts": contacts, "seconds": seconds, **takes})
    began = time.monotonic()
    for job in listed:
        toolchain.binary(*job)
    spent = time.monotonic() - began
    if spent > 5:
        raise CheckError(f"the cache took {spent:.0f} s to give what was compiled before")
    return figures
