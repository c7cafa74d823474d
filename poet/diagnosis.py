"""Says what of the installation works, by trying each part, and what of a run's archive is sound, by its checksums."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np

from cluster.processes import cores
from environments.controller import Controller
from environments.domain import Batch, Environment, find_domain
from environments.walker2d.device.trial import tried
from environments.walker2d.simulator import engine_status
from evolution import proximal
from poet.archive import checksums
from poet.archive.reading import reading
from poet.archive.rows import niche_from

SHOWN = 3  # damages of a kind that are named
TIMEOUT = 60  # s for a part that runs in a process of its own

MPI_PROBE = """
from mpi4py import MPI
world = MPI.COMM_WORLD
total = world.allreduce(world.rank + 1)
if world.rank == 0:
    print(f"{world.size} ranks agree" if total == 3 else f"sum {total}", MPI.Get_library_version().split(",")[0])
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one part."""

    part: str
    works: bool
    detail: str
    needed: bool  # for evolving the walker


def rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Lay findings out as plain values."""
    return [asdict(finding) for finding in findings]


def diagnose() -> list[Finding]:
    """Try every part, one after another."""
    checks: list[tuple[str, bool, Callable[[], str]]] = [
        ("Python", True, lambda: f"{sys.version.split()[0]}, {cores()} cores"),
        ("walker", True, _walker),
        ("native engine", False, _native),
        ("PPO core", False, _ppo),
        ("GPU engine", False, tried),
        ("hexapod", False, _hexapod),
        ("MPI", False, _mpi),
        ("PyTorch", False, _torch),
    ]
    return [_try(*check) for check in checks]


def examine(run: Path) -> list[Finding]:
    """Compare all of a run's archive with its checksums, also while the run goes on.

    Raises:
        InputError: there is no archive, or it cannot be read at all.
    """
    with reading(run) as connection:
        connection.execute("BEGIN")
        broken = checksums.structural_damage(connection)
        findings = [Finding("structure", not broken, broken or "the file and its tables are whole", True)]
        findings.append(_try("niches", True, lambda: _niches(connection)))
        if not checksums.kept(connection):
            detail = "an older version kept none; the next `poet evolve` makes them from what is there now"
            return [*findings, Finding("checksums", True, detail, True)]
        damages = checksums.damages(connection)
        counts = dict(connection.execute("SELECT part, count(*) FROM checksum GROUP BY part").fetchall())
        for part in checksums.PARTS:
            found = [damage for damage in damages if damage.part == part]
            detail = f"{counts.get(part, 0):,} as committed"
            if found:
                others = f" and {len(found) - SHOWN} more" if found[SHOWN:] else ""
                detail = f"not as committed: {'; '.join(damage.what for damage in found[:SHOWN])}{others}"
            findings.append(Finding(checksums.NAMES[part], not found, detail, True))
    if damages:
        findings.append(Finding("way out", True, checksums.way_out(damages), False))
    return findings


def _niches(connection: Connection) -> str:
    count = sum(1 for niche in map(niche_from, connection.execute("SELECT * FROM niche")))
    return f"{count:,} with the content hashes that they are kept as"


def _try(part: str, needed: bool, check: Callable[[], str]) -> Finding:
    try:
        return Finding(part, True, check(), needed)
    except Exception as error:
        return Finding(part, False, f"{type(error).__name__}: {error}", needed)


def _walker() -> str:
    return _body("walker2d", f"Box2D {version('box2d')}")


def _body(name: str, library: str) -> str:
    return f"engine {find_domain(name).engines[0]}, {library}: {_episode(name)}"


def _episode(name: str) -> str:
    domain = find_domain(name)
    environment = Environment(domain=name, encoding="parametric", genome={}, seed=0)
    theta = np.zeros((1, domain.controller.parameters), dtype=np.float32)
    result = domain.run(Batch.of(theta, environment, np.zeros(1, dtype=np.uint64)), episode_limit=20)
    return f"an episode of {result.lengths[0]} steps ran"


def _native() -> str:
    ((works, detail),) = [(works, detail) for name, works, detail in engine_status() if name == "native"]
    if not works:
        raise RuntimeError(detail)
    return detail


def _ppo() -> str:
    if problem := proximal.problem():
        raise RuntimeError(f"{problem} (torch learns in its place, slower)")
    network = Controller((2, 3, 1))
    proximal.forward(network, np.zeros(network.parameters, dtype=np.float32), np.ones((1, 2), dtype=np.float32))
    return f"kernel {proximal.kernel()}"


def _hexapod() -> str:
    domain = find_domain("hexapod3d")  # says what is missing better than a version that is not there
    found = _body("hexapod3d", f"PyBullet {version('pybullet')}")
    if domain.engines[0] == "native":
        from environments.hexapod3d import body, native  # noqa: PLC0415  # needs PyBullet

        if None in map(native.proven_lanes, (body.HEXAPOD, body.QUADRUPED, body.OCTOPOD)):
            found += "; the core's numbers are not this PyBullet's, which plays the episodes itself, ten times slower"
    return found


def _mpi() -> str:
    beside = Path(sys.executable).with_name("mpirun")
    mpirun = str(beside) if beside.exists() else shutil.which("mpirun")
    if mpirun is None:
        raise FileNotFoundError("there is no mpirun in this environment")
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return _run([mpirun, *root, "--oversubscribe", "-n", "2", sys.executable, "-P", "-c", MPI_PROBE])


def _torch() -> str:
    import torch  # noqa: PLC0415 - slow to import

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU, the CPU serves"
    return f"PyTorch {torch.__version__}, {gpu}"


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(lines[-1])
    return done.stdout.strip()
