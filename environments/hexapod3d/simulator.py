"""Episodes of many hexapods, in the C++ core or through PyBullet's Python interface.

Both give the same bits. The core is the default where it is built. Through
Python, the reference, several robots go side by side so that their controllers
think together: every lane has a `World` of its own, so that what a robot does
never depends on its neighbours. Worlds are kept from one call to the next, for
a physics client takes longer to make than a course.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.batch import Batch, Capabilities, by_environment
from environments.controller import Controller
from environments.hexapod3d import native
from environments.hexapod3d.body import Body
from environments.hexapod3d.engine import POSITION, World
from environments.hexapod3d.episode import advance, begin
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.gait import Gait
from environments.hexapod3d.physics import Late, Physics
from environments.hexapod3d.task import EPISODE_LIMIT, Judge, bounds, observe
from environments.hexapod3d.terrain import Terrain
from environments.native_cores import chosen
from environments.rollouts import NO_OUTCOME, Outcome, Rollouts

LANES = 8  # through Python; more would save little time and cost 40 MB each

CAPABILITIES = {"native": Capabilities(lanes=8, mixed_environments=True), "pybullet": Capabilities(lanes=LANES)}

Engine: TypeAlias = Callable[[Batch, int, Body, Gait], Rollouts]


@lru_cache(maxsize=32)
def controller_of(body: Body) -> Controller:
    """Give the controller that fits a body: 70-40-40-18 with six legs, 5,218 parameters."""
    return Controller((bounds(body)[0].size, 40, 40, body.joints))


@lru_cache(maxsize=4)
def _worlds(body: Body) -> list[World]:
    return []


def run(
    batch: Batch, body: Body, gait: Gait, *, episode_limit: int | None = None, engine: str | None = None
) -> Rollouts:
    """Run one episode for each row, course after course; see `environments.domain.Domain.run`.

    Raises:
        ValueError: the shapes do not fit, or there is no such engine.
    """
    batch.check(controller_of(body))
    return ENGINES[engine_called(engine)](batch, EPISODE_LIMIT if episode_limit is None else episode_limit, body, gait)


def engine_called(name: str | None) -> str:
    """Give the name of an engine that can be used; see `native_cores.chosen`."""
    return chosen(name, ENGINES, native.problem())


def run_pybullet(batch: Batch, episode_limit: int, body: Body, gait: Gait) -> Rollouts:
    """Run the episodes through PyBullet's Python interface, course after course."""

    def alone(rows: Batch) -> Rollouts:
        (environment,) = rows.environments
        ground, physics = terrain_of(environment), Physics.of(body, environment)
        return _Lanes(rows.thetas, rows.seeds, ground, physics, episode_limit, body, gait).run()

    return by_environment(batch, alone)


ENGINES: dict[str, Engine] = {"pybullet": run_pybullet}
if native.problem() is None:
    ENGINES = {"native": native.run_native, **ENGINES}


class _Lanes:
    """Episodes under way side by side; one that ends makes room for the next."""

    def __init__(
        self,
        thetas: NDArray[np.float32],
        seeds: NDArray[np.uint64],
        terrain: Terrain,
        physics: Physics,
        limit: int,
        body: Body,
        gait: Gait,
    ) -> None:
        self.thetas, self.seeds, self.terrain, self.body, self.gait = thetas, seeds, terrain, body, gait
        self.physics = physics
        self.controller = controller_of(body)
        lanes = min(LANES, len(thetas))
        pool = _worlds(body)
        pool += [World(body) for _ in range(lanes - len(pool))]
        self.worlds = pool[:lanes]
        self.state = np.zeros((lanes, body.columns.size))
        self.judge = Judge(body, lanes, limit)
        self.minds = np.zeros((lanes, self.controller.parameters), dtype=np.float32)
        self.late = [Late(physics.delay, body.joints) for _ in range(lanes)]
        self.episode = np.full(lanes, -1)  # the row of thetas that a lane runs, -1 when idle
        self.waiting = iter(range(len(thetas)))
        self.returns = np.zeros(len(thetas))
        self.lengths = np.zeros(len(thetas), dtype=np.int32)
        self.outcomes = np.zeros(len(thetas), dtype=np.int8)

    def run(self) -> Rollouts:
        for lane in range(len(self.worlds)):
            self._next(lane)
        act = self.controller.policies(self.minds)
        while busy := np.flatnonzero(self.episode >= 0).tolist():
            actions = act(observe(self.body, self.state, self.judge.steps, self.terrain))
            for lane in busy:
                action = self.late[lane].reaching(actions[lane])
                advance(self.worlds[lane], action, int(self.judge.steps[lane]), self.gait, self.state[lane])
            _, outcomes = self.judge.judge(self.state, self.terrain)
            for lane in busy:
                if outcomes[lane] != NO_OUTCOME:
                    self._finish(lane, int(outcomes[lane]))
        return Rollouts(self.returns, self.lengths, self.outcomes)

    def _finish(self, lane: int, outcome: int) -> None:
        row = self.episode[lane]
        self.returns[row], self.lengths[row] = self.judge.returns[lane], self.judge.steps[lane]
        self.outcomes[row] = outcome
        if outcome == Outcome.DIVERGED:
            self.worlds[lane].renew()
        self._next(lane)

    def _next(self, lane: int) -> None:
        row = next(self.waiting, None)
        self.episode[lane] = -1 if row is None else row
        if row is not None:
            begin(self.worlds[lane], self.terrain, int(self.seeds[row]), self.state[lane], self.physics)
            self.late[lane] = Late(self.physics.delay, self.body.joints)
            self.minds[lane] = self.thetas[row]
            self.judge.start(lane, float(self.state[lane, POSITION.start]))
