"""How this process was launched: alone, or as one rank among several.

Read from the variables that launchers set, before and without touching MPI, so
that `poet inspect` inside a job, or a run on one machine, never starts it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

# (rank, number of ranks): Open MPI's mpirun; MPICH, Intel MPI and srun --mpi=pmi2; srun --mpi=pmix; srun without MPI.
SLURM = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")  # a batch script has the first alone
VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
    SLURM,
)
FAULT_TOLERANCE = "OMPI_MCA_mpi_ft_enable"
CURE = "start it with the mpirun of this environment, or with srun --mpi=pmix"


class LaunchError(Exception):
    """The launcher started several copies of this program that do not know of each other."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Which rank this is, of how many, by the word of the launcher."""

    rank: int
    ranks: int
    fault_tolerant: bool  # the others survive the loss of a rank
    said_by: tuple[str, str] = VARIABLES[0]

    @property
    def serves(self) -> bool:
        """Whether this rank is a worker: all are but the first."""
        return self.rank > 0

    def check_launcher(self) -> None:
        """Raise LaunchError if the launcher told the ranks nothing by which MPI could connect them."""
        if self.said_by == SLURM:
            raise LaunchError(f"srun started {self.ranks} copies of this program without MPI; {CURE}")

    def check_size(self, size: int) -> None:
        """Raise LaunchError unless MPI counts as many ranks as the launcher."""
        if size != self.ranks:
            raise LaunchError(
                f"{self.said_by[1]} says {self.ranks} ranks, MPI counts {size}: this launcher and this MPI library "
                f"do not understand each other; {CURE}"
            )


def launched(variables: Mapping[str, str] = os.environ) -> Launch | None:
    """Say which rank this is, or None for a process on its own; a single rank is on its own."""
    for rank, ranks in VARIABLES:
        if variables.get(rank, "").isdigit() and variables.get(ranks, "").isdigit():
            if int(variables[ranks]) <= 1:
                return None  # what other launchers further out said is not of this program
            tolerant = variables.get(FAULT_TOLERANCE, "0").lower() in ("1", "true", "yes")
            return Launch(int(variables[rank]), int(variables[ranks]), tolerant, (rank, ranks))
    return None
