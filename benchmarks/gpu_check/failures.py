"""What a user sees when a card fails, is gone or is full: one sentence, the right status, a whole archive."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.gpu_check.agreement import compare, course
from benchmarks.gpu_check.commands import Ended, poet, python
from benchmarks.gpu_check.counting import ALWAYS
from benchmarks.gpu_check.runs import SMALL, check_same, evolve, iterations
from benchmarks.gpu_check.target import CheckError, Figures, Target, Tell
from benchmarks.walker_agreement import controllers
from environments.domain import Batch

MISTAKE, FAILED = 2, 1
# In the driver's own language, which it compiles itself.
TRAP = b".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry fail() { trap; }\n\0"


def check_refusals(target: Target, tell: Tell, place: Path) -> Figures:
    """The engine asked for by name where there is no card, and by a body that has none: status 2, nothing written."""
    figures: Figures = {}
    attempts = {
        "no card": (["--set", "engine=cuda"], {"CUDA_VISIBLE_DEVICES": ""}),
        "an engine that nobody has": (["--set", "engine=cudda"], {}),
    }
    for name, (words, extra) in attempts.items():
        run = place / f"refused-{len(figures)}"
        figures[name] = _sentence(poet("evolve", run, "--preset", "quick", *words, **extra), MISTAKE)
        if (run / "archive.sqlite").exists():
            raise CheckError(f"{name}: refused, and yet {run.name} was written")
        tell(f"{name}: {figures[name]}")
    return figures


def check_failing_kernel(target: Target, tell: Tell, place: Path) -> Figures:
    """A kernel that traps amid a run, after which the context is as unusable as a lost card's; then going on."""
    target.needs_card("a kernel that fails")
    run, unbroken = place / "trapped", place / "untouched"
    words = ["--preset", "quick", "--iterations", 200, *SMALL]
    evolve(run, "auto", *["--preset", "quick", "--iterations", 1, *SMALL])
    ended = python(
        "-m", "benchmarks.gpu_check.failures", "evolve", run, "--iterations", 200, "--workers", 1, seconds=90, **ALWAYS
    )
    sentence = _sentence(ended, FAILED)
    done = iterations(run)
    poet("doctor", run).must()
    poet("evolve", run, "--iterations", done + 1).must()  # the card is whole again in another process
    evolve(unbroken, "auto", *words[:2], "--iterations", done + 1, *SMALL, **target.without())
    rows = check_same(run, unbroken, "the run in which a kernel failed")
    tell(f"after {done} iterations: {sentence}")
    tell(f"the archive is sound, goes on, and all its {rows} rows equal those of a run without a failure")
    return {"sentence": sentence, "iterations": done, "rows": rows}


def check_full_card(target: Target, tell: Tell) -> Figures:
    """Little memory left on the card: episodes are played all the same, or refused in a sentence; and later as ever."""
    target.needs_card("a full card")
    import torch  # noqa: PLC0415

    n = 20_000
    thetas = np.resize(controllers(256), (n, controllers(1).shape[1]))
    batch = Batch.of(thetas, course({}), np.arange(n, dtype=np.uint64))
    free, _ = torch.cuda.mem_get_info()
    hoard = torch.empty(max(free - (64 << 20), 0), dtype=torch.uint8, device="cuda")
    try:
        compare(target, batch, 20, "on a full card")
        told = f"{n:,} episodes were played in what was left"
    except (ValueError, RuntimeError, MemoryError) as error:
        told = str(error)
        if "memory" not in told.lower() or "\n" in told.strip():
            raise CheckError(
                f"a full card gave {type(error).__name__}: {told}; it must be one sentence on memory"
            ) from error
    del hoard
    torch.cuda.empty_cache()
    compare(target, batch, 20, "after the memory was freed")
    tell(f"64 MiB left: {told}; with the memory freed all {n:,} episodes are equal")
    return {"told": told}


def _sentence(ended: Ended, status: int) -> str:
    """Give what a command said at its end.

    Raises:
        CheckError: its status is another, or it showed a traceback.
    """
    if ended.status != status or "Traceback" in ended.said:
        raise CheckError(f"a command ended with {ended.status} where {status} is right: {ended.last}")
    lines = ended.said.strip().splitlines()
    return lines[-1] if lines else ""


def _trap_once_on_its_way(run: Path, begun: int) -> None:
    """Wait until a run has gone on for some iterations, and then let a kernel fail in the engine's own context."""
    from environments.walker2d.device import driver  # noqa: PLC0415

    while iterations(run) < begun + 2:
        time.sleep(0.05)
    card = driver.card(0)
    card.launch(card.load(TRAP, "fail"), 1, 1, [])


def main() -> None:
    """Run `poet` with these words, and a kernel that fails in the same process."""
    run = Path(sys.argv[2])
    threading.Thread(target=_trap_once_on_its_way, args=(run, iterations(run)), daemon=True).start()
    from poet.__main__ import main as run_poet  # noqa: PLC0415

    run_poet()


if __name__ == "__main__":
    main()
