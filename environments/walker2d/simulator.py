"""Episodes of many walkers at once, over whichever engine is asked for.

The reference engine steps `WalkerEnv`; it is the ground truth that the native
engine answers to. The native engine is the default where it is built, and on a GPU where there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import version
from typing import TypeAlias

from environments.batch import Batch, Capabilities
from environments.controller import Controller
from environments.native_cores import chosen
from environments.rollouts import Rollouts
from environments.stepped import play_one_by_one
from environments.walker2d import native
from environments.walker2d.device import driver
from environments.walker2d.device.episodes import run_cuda
from environments.walker2d.env import EPISODE_LIMIT, WalkerEnv

CONTROLLER = Controller((24, 40, 40, 4))

Engine: TypeAlias = Callable[[Batch, int], Rollouts]


def run_reference(batch: Batch, episode_limit: int) -> Rollouts:
    """Run the episodes one after another in the Box2D environment."""
    return play_one_by_one(partial(WalkerEnv, episode_limit=episode_limit), CONTROLLER, batch)


ENGINES: dict[str, Engine] = {"reference": run_reference}
if native.problem() is None:
    ENGINES = {"native": native.run_native, **ENGINES}


ROOM = 65_536  # episodes, somewhat more than the largest cards play side by side; their thetas are 740 MB
CAPABILITIES = {
    "cuda": Capabilities(lanes=32, mixed_environments=True, device="cuda"),
    "native": Capabilities(lanes=32, mixed_environments=True, worlds=True),
    "reference": Capabilities(mixed_environments=True),
}


@cache
def capabilities(engine: str) -> Capabilities:
    """Say what an engine is good at in this process: one that has a GPU of its own takes much at once."""
    found = CAPABILITIES[engine]
    return replace(found, room=ROOM) if engine == "cuda" and driver.mine() is not None else found


@cache
def cuda_problem() -> str | None:
    """Say in a sentence why no GPU can run the walker here; None when one can. The first time asks the driver."""
    return native.problem() or driver.problem()


@cache
def engines() -> dict[str, Engine]:
    """Give the engines that can be used, the default first: a GPU's where there is one."""
    return ENGINES if cuda_problem() else {"cuda": run_cuda, **ENGINES}


def engine_status() -> list[tuple[str, bool, str]]:
    """List every engine, default first: its name, whether it can be used, and what it runs on or lacks."""
    reason, no_gpu = native.problem(), cuda_problem()
    listed = [
        ("cuda", no_gpu is None, no_gpu or f"{driver.describe()}, binaries by NVRTC"),
        ("native", reason is None, reason or f"C++ core, kernel {native.kernel()}"),
        ("reference", True, f"Box2D {version('box2d')} through pybox2d"),
    ]
    return sorted(listed, key=lambda engine: not engine[1])


def run(batch: Batch, *, episode_limit: int | None = None, engine: str | None = None) -> Rollouts:
    """Run one episode for each row; see `environments.domain.Domain.run`.

    Raises:
        ValueError: the shapes do not fit, or there is no such engine.
    """
    batch.check(CONTROLLER)
    return engines()[engine_called(engine)](batch, EPISODE_LIMIT if episode_limit is None else episode_limit)


def engine_called(name: str | None) -> str:
    """Give the name of an engine that can be used; see `native_cores.chosen`."""
    if name == "cuda" and (reason := cuda_problem()):
        raise ValueError(f"engine is 'cuda', but {reason}")
    # Who names another is not made to ask for GPUs.
    return chosen(name, ENGINES if name in ENGINES else engines(), native.problem())


def engine_problem(name: str) -> str | None:
    """Say in a sentence why an engine of the walker's cannot be used here; None when it can, or there is none such."""
    return cuda_problem() if name == "cuda" else native.problem() if name == "native" else None
