"""What the engine says of itself, how fast it is, and the tests of ours that skip where there is no card."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from benchmarks.gpu_check.commands import poet
from benchmarks.gpu_check.target import CheckError, Figures, SkippedError, Target, Tell

TESTS = ("tests/environments/walker2d", "tests/meta_learners")
ELSEWHERE = "tests/environments/walker2d/test_cuda.py"  # these checks themselves


def check_engine(target: Target, tell: Tell) -> Figures:
    """The engine can be used, `auto` takes it, and `poet doctor` says so."""
    from environments.walker2d import DOMAIN  # noqa: PLC0415
    from environments.walker2d.simulator import engine_status  # noqa: PLC0415

    status = {name: (works, detail) for name, works, detail in engine_status()}
    if target.engine not in status:
        raise CheckError(f"there is no engine {target.engine}; there are {', '.join(status)}")
    for name, (works, detail) in status.items():
        tell(f"engine {name}: {'works' if works else 'cannot be used'}, {detail}")
    works, detail = status[target.engine]
    if not works:
        raise CheckError(f"there is a card, {target.card}, and engine {target.engine} cannot be used: {detail}")
    if DOMAIN.engines[0] != target.engine:
        raise CheckError(f"auto means {DOMAIN.engines[0]}; where {target.engine} works it must mean that")
    ended = poet("doctor")
    for line in ended.must().splitlines():
        tell(line)
    return {"engines": {name: detail for name, (_, detail) in status.items()}, "doctor": ended.out}


def measure_speed(target: Target, tell: Tell) -> Figures:
    """Measure as `benchmarks.walker_gpu` does, which tells every figure once it is there; briefly in a rehearsal."""
    from benchmarks import walker_gpu  # noqa: PLC0415

    little = target.rehearsal or target.small
    seconds, limit = (1.0, 100) if little else (2.0, walker_gpu.LIMIT)
    worlds = [256] if little else list(walker_gpu.WORLDS)
    figures = walker_gpu.run(worlds, seconds, "both", limit, walker_gpu.why_no_card())
    for line in walker_gpu.table(figures).splitlines():
        tell(line)
    if not target.rehearsal and not figures["gpu_flat"]:
        raise CheckError(f"there is a card, and none was measured: {figures['why_no_device']}")
    return figures


def run_tests(target: Target, tell: Tell) -> Figures:
    """Run the tests that skip elsewhere; that they are not skipped here, too, is seen."""
    target.needs_card("what these tests test")
    if importlib.util.find_spec("pytest") is None:
        raise SkippedError("pytest is not here")
    line = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "gpu",
        f"--ignore={ELSEWHERE}",
        *TESTS,
    ]
    done = subprocess.run(line, capture_output=True, encoding="utf-8", check=False)
    lines = done.stdout.strip().splitlines()
    for text in lines[-15:]:
        tell(text)
    if done.returncode:
        raise CheckError(f"pytest ended with {done.returncode}: {lines[-1] if lines else done.stderr[-300:]}")
    if "skipped" in lines[-1]:
        raise CheckError(f"tests of the card were skipped beside it: {lines[-1]}")
    return {"told": lines[-1]}
