"""compute-sanitizer on a short run of the engine; a kernel that writes out of bounds shows that it would complain.

python -m benchmarks.gpu_check.sanitizing [--planted]      what is run under it
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.gpu_check.agreement import compare, course
from benchmarks.gpu_check.target import CheckError, Figures, SkippedError, Target, Tell, find_target
from benchmarks.walker_agreement import controllers
from environments.domain import Batch

PLACES = ("/usr/local/cuda/bin", "/opt/cuda/bin")
TOOLS = ("memcheck", "initcheck")
NOTICED = 9  # the status that we ask it to end with
OUT_OF_BOUNDS = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry write(.param .u64 here) {
    .reg .u64 %place;
    ld.param.u64 %place, [here];
    cvta.to.global.u64 %place, %place;
    add.u64 %place, %place, 1073741824;
    st.global.u32 [%place], 1;
    ret;
}
\0"""


def find_sanitizer() -> str | None:
    """Find the program."""
    listed = [shutil.which("compute-sanitizer"), *(f"{place}/compute-sanitizer" for place in PLACES)]
    return next((path for path in listed if path and Path(path).exists()), None)


def check_sanitizer(target: Target, tell: Tell) -> Figures:
    """A short run is clean, and a planted fault is not."""
    target.needs_card("compute-sanitizer")
    program = find_sanitizer()
    if program is None:
        raise SkippedError("compute-sanitizer is not installed")
    planted = _run(program, "memcheck", "--planted")
    if planted.returncode != NOTICED or "Invalid __global__ write" not in planted.stdout:
        told = " / ".join(planted.stdout.strip().splitlines()[:3])
        raise SkippedError(f"compute-sanitizer does not find a planted fault on this machine: {told}")
    for tool in TOOLS:
        done = _run(program, tool)
        if done.returncode:
            told = " / ".join(line for line in done.stdout.splitlines() if line.strip("= \n"))[:1500]
            raise CheckError(f"{tool} ended with {done.returncode}: {told}")
        tell(f"{tool}: {done.stdout.strip().splitlines()[-1].strip('= ')}")
    return {"tools": list(TOOLS), "planted_fault_found": True}


def _run(program: str, tool: str, *words: str) -> subprocess.CompletedProcess[str]:
    line = [program, "--tool", tool, "--error-exitcode", str(NOTICED), sys.executable, "-m", __name__, *words]
    return subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)


def plant() -> None:
    """Write far out of bounds on the card."""
    from environments.walker2d.device import driver  # noqa: PLC0415

    card = driver.card(0)
    with card.room(64) as memory:
        card.launch(card.load(OUT_OF_BOUNDS, "write"), 1, 1, [ctypes.c_uint64(memory.address)])
        card.wait()


def main() -> None:
    """Play a few short episodes on both engines, or write out of bounds."""
    if "--planted" in sys.argv:
        plant()
        return
    tasks = tuple(
        course({"roughness": 3.0, "stump_height": [0.0, 1.5], "pit_gap": [0.0, 3.0]}, seed=i) for i in range(4)
    )
    rows = np.arange(64, dtype=np.uint64)
    compare(find_target(), Batch(controllers(64), tasks, (rows % 4).astype(np.intp), rows), 25, "under the sanitizer")


if __name__ == "__main__":
    main()
