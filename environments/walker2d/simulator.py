"""Episodes of many walkers at once, over whichever engine is asked for.

The reference engine steps `WalkerEnv`; it is the ground truth that the native
engine answers to. The native engine is the default where it is built.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import TypeAlias

from environments.batch import Batch, Capabilities
from environments.controller import Controller
from environments.native_cores import chosen
from environments.rollouts import Rollouts
from environments.stepped import play_one_by_one
from environments.walker2d import native
from environments.walker2d.env import EPISODE_LIMIT, WalkerEnv

CONTROLLER = Controller((24, 40, 40, 4))

Engine: TypeAlias = Callable[[Batch, int], Rollouts]


def run_reference(batch: Batch, episode_limit: int) -> Rollouts:
    """Run the episodes one after another in the Box2D environment."""
    return play_one_by_one(partial(WalkerEnv, episode_limit=episode_limit), CONTROLLER, batch)


ENGINES: dict[str, Engine] = {"reference": run_reference}
if native.problem() is None:
    ENGINES = {"native": native.run_native, **ENGINES}


CAPABILITIES = {
    "native": Capabilities(lanes=32, mixed_environments=True),
    "reference": Capabilities(mixed_environments=True),
}


def engine_status() -> list[tuple[str, bool, str]]:
    """List every engine, default first: its name, whether it can be used, and what it runs on or lacks."""
    reason = native.problem()
    with_native = ("native", reason is None, reason or f"C++ core, kernel {native.kernel()}")
    reference = ("reference", True, f"Box2D {version('box2d')} through pybox2d")
    return [reference, with_native] if reason else [with_native, reference]


def run(batch: Batch, *, episode_limit: int | None = None, engine: str | None = None) -> Rollouts:
    """Run one episode for each row; see `environments.domain.Domain.run`.

    Raises:
        ValueError: the shapes do not fit, or there is no such engine.
    """
    batch.check(CONTROLLER)
    return ENGINES[engine_called(engine)](batch, EPISODE_LIMIT if episode_limit is None else episode_limit)


def engine_called(name: str | None) -> str:
    """Give the name of an engine that can be used; see `native_cores.chosen`."""
    return chosen(name, ENGINES, native.problem())
