"""How this process was launched: alone, or as one rank among several.

Read from the variables that launchers set, before and without touching MPI, so
that `poet inspect` inside a job, or a run on one machine, never starts it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

# (rank, number of ranks): Open MPI's mpirun; MPICH, Intel MPI and srun --mpi=pmi2; srun --mpi=pmix.
VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
)
FAULT_TOLERANCE = "OMPI_MCA_mpi_ft_enable"


@dataclass(frozen=True, slots=True)
class Launch:
    """Which rank this is, of how many."""

    rank: int
    ranks: int
    fault_tolerant: bool  # the others survive the loss of a rank

    @property
    def serves(self) -> bool:
        """Whether this rank is a worker: all are but the first."""
        return self.rank > 0


def launched(variables: Mapping[str, str] = os.environ) -> Launch | None:
    """Say which rank this is, or None for a process on its own; a single rank is on its own."""
    for rank, ranks in VARIABLES:
        if variables.get(rank, "").isdigit() and int(variables.get(ranks, "1")) > 1:
            tolerant = variables.get(FAULT_TOLERANCE, "0").lower() in ("1", "true", "yes")
            return Launch(int(variables[rank]), int(variables[ranks]), tolerant)
    return None
