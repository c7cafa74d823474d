"""What Nsight Compute counts of the episodes' kernel: the traffic of threads' local memory, and how busy the card is.

python -m benchmarks.gpu_check.profiling WORLDS      what is run under it
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.gpu_check.target import CheckError, Figures, SkippedError, Target, Tell
from benchmarks.walker_gpu import OBSTACLES, population
from environments.domain import Batch
from environments.walker2d import DOMAIN

PLACES = ("/usr/local/cuda/bin/ncu", "/opt/nvidia/nsight-compute/*/ncu")
WORLDS, LIMIT = 16384, 20
METRICS = {
    "local loads, bytes": "l1tex__t_bytes_pipe_lsu_mem_local_op_ld.sum",
    "local stores, bytes": "l1tex__t_bytes_pipe_lsu_mem_local_op_st.sum",
    "L1 hits of local loads, %": "l1tex__t_sector_pipe_lsu_mem_local_op_ld_hit_rate.pct",
    "L2 hits, %": "lts__t_sector_hit_rate.pct",
    "device memory, bytes": "dram__bytes.sum",
    "device memory, % of its peak": "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "multiprocessors, % of their peak": "sm__throughput.avg.pct_of_peak_sustained_elapsed",
    "warps at once, % of the most": "sm__warps_active.avg.pct_of_peak_sustained_active",
    "threads of a warp at work": "smsp__thread_inst_executed_per_inst_executed.ratio",
    "time, ns": "gpu__time_duration.sum",
}


def find_profiler() -> str | None:
    """Find the program."""
    listed = [path for pattern in PLACES for path in sorted(map(str, Path("/").glob(pattern[1:])))]
    return shutil.which("ncu") or next(iter(listed), None)


def read(text: str) -> dict[str, list[float]]:
    """Read the program's table: for each metric its values, a kernel's after another's."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    found: dict[str, list[float]] = {}
    for row in csv.DictReader(lines):
        name, value = row.get("Metric Name", ""), row.get("Metric Value", "")
        try:
            found.setdefault(name, []).append(float(value.replace(",", "")))
        except ValueError:
            continue  # what this card or this version does not count
    return found


def check_profile(target: Target, tell: Tell) -> Figures:
    """Count, where the program is installed and may read the card's counters."""
    target.needs_card("Nsight Compute")
    program = find_profiler()
    if program is None:
        raise SkippedError("ncu is not installed")
    line = [
        program,
        "--csv",
        "--clock-control",
        "none",
        "--print-units",
        "base",
        "--metrics",
        ",".join(METRICS.values()),
    ]
    line += [sys.executable, "-m", __name__, str(WORLDS)]
    done = subprocess.run(line, capture_output=True, encoding="utf-8", check=False)
    found = read(done.stdout)
    figures = {name: found[metric] for name, metric in METRICS.items() if found.get(metric)}
    if not figures:
        told = " / ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        raise SkippedError(f"ncu counted nothing here: {told}")
    if done.returncode:
        raise CheckError(f"ncu ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    for name, values in figures.items():
        tell(f"{WORLDS:,} worlds, {LIMIT} steps: {name}: {', '.join(f'{value:,.1f}' for value in values)}")
    return {"worlds": WORLDS, "limit": LIMIT, **figures}


def main() -> None:
    """Play a few steps of many worlds, once."""
    worlds = int(sys.argv[1])
    batch = Batch.of(population(worlds), OBSTACLES, np.arange(worlds, dtype=np.uint64))
    DOMAIN.run(batch, engine="cuda", episode_limit=LIMIT)


if __name__ == "__main__":
    main()
