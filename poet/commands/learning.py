"""What the commands that train and test meta-learners share: where to compute, and the learners' names.

What they stand on takes seconds to load, and so is loaded within them.
"""

from __future__ import annotations

from typing import Annotated

import typer

from environments.plugins import FAMILY, LEARNER, TEACHER, installed
from poet.display.output import MOST_WORKERS
from poet.errors import InputError

# The names are read from what is installed; no learner, and so not PyTorch, is loaded for that.
LEARNERS = ", ".join(installed(LEARNER))
FAMILIES = ", ".join(installed(FAMILY))
TEACHERS = ", ".join(installed(TEACHER))
Device = Annotated[str, typer.Option(help="Where to learn: cpu, cuda or cuda:N.")]
# One by default: sums over more are made in another order, and so end in other bits.
Threads = Annotated[
    int, typer.Option(min=1, max=MOST_WORKERS, help="PyTorch's on the processor; part of the last bits.")
]
WorldThreads = Annotated[
    int,
    typer.Option(
        "--world-threads",
        min=1,
        max=MOST_WORKERS,
        help="Threads that share the worlds' steps; the result is the same for any number.",
    ),
]


def complete_learner(incomplete: str) -> list[str]:
    """Give the learners whose names begin so."""
    return [name for name in installed(LEARNER) if name.startswith(incomplete)]


def complete_teacher(incomplete: str) -> list[str]:
    """List the teachers that begin so."""
    return [name for name in installed(TEACHER) if name.startswith(incomplete)]


def complete_family(incomplete: str) -> list[str]:
    """Give the families of examples whose names begin so."""
    return [name for name in installed(FAMILY) if name.startswith(incomplete)]


def prepare(device: str, threads: int) -> None:
    """Make PyTorch ready to compute on a device.

    Raises:
        InputError: the device cannot be used here.
    """
    import torch  # noqa: PLC0415

    from meta_learners.devices import prepare_device  # noqa: PLC0415

    torch.set_num_threads(threads)
    try:
        prepare_device(device)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0]  # of some devices PyTorch's first line is a page
        raise InputError(f"--device is {device!r}, which cannot be used here: {reason}") from error
