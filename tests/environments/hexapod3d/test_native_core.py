"""The C++ core against the reference in Python: the same bits from the same commands."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hexapods import BODY, CONTROLLER, HARD, ROUGH, STANCE, STATE_SIZE, crowd, task, violent

from environments.domain import Batch, Environment, Outcome, find_domain
from environments.hexapod3d import DOMAIN, JOINTS, native
from environments.hexapod3d.engine import World
from environments.hexapod3d.episode import start_height, starts
from environments.hexapod3d.expression import terrain_of

pytestmark = pytest.mark.skipif(native.problem() is not None, reason="the core is not built")


def compare(domain, environment, thetas, seeds, limit):
    found, expected = (
        domain.run(Batch.of(thetas, environment, seeds), episode_limit=limit, engine=engine)
        for engine in ("native", "pybullet")
    )
    np.testing.assert_array_equal(found.returns, expected.returns)
    np.testing.assert_array_equal(found.lengths, expected.lengths)
    np.testing.assert_array_equal(found.outcomes, expected.outcomes)
    return found


@pytest.mark.parametrize("genome", [{}, ROUGH, HARD], ids=["flat", "rough", "hard"])
@pytest.mark.parametrize("domain", [DOMAIN, JOINTS], ids=["gait", "joints"])
def test_the_core_gives_the_references_returns(domain, genome):
    environment = Environment(domain=domain.name, encoding="parametric", genome=genome, seed=3)
    outcomes = set()
    for spread in (0.03, 0.3):
        thetas, seeds = crowd(4, spread)
        outcomes |= set(compare(domain, environment, thetas, seeds + np.uint64(2**63), 260).outcomes.tolist())
    assert outcomes & {Outcome.FELL, Outcome.TIMED_OUT}


def test_controllers_that_make_no_sense_diverge_alike_and_leave_the_next_episode_alone():
    thetas, seeds = crowd(3)
    thetas[1, 7] = np.nan
    thetas[0, 9] = 1e38
    found = compare(DOMAIN, task(3, **ROUGH), thetas, seeds, 60)
    assert found.outcomes[1] == Outcome.DIVERGED
    alone = DOMAIN.run(Batch.of(thetas[2:], task(3, **ROUGH), seeds[2:]), episode_limit=60)
    assert alone.returns[0] == found.returns[2]


def test_threads_play_at_once_without_disturbing_one_another():
    thetas, seeds = crowd(3)

    def play(genome):
        return DOMAIN.run(Batch.of(thetas, task(3, **genome), seeds), episode_limit=150).returns

    courses = [{}, ROUGH] * 3
    with ThreadPoolExecutor(len(courses)) as pool:
        together = list(pool.map(play, courses))
    np.testing.assert_array_equal(together, [play(genome) for genome in courses])


def test_states_are_the_references_through_a_violent_episode():
    terrain = terrain_of(task(1, **HARD))
    targets, start = violent(3), starts(np.array([5], dtype=np.uint64))[0]
    robot = native.Robot(BODY)
    robot.lay(terrain)
    robot.core.follow(start, violent(4))  # leaves no trace
    found = robot.core.follow(start, targets)
    world, state = World(), np.zeros(STATE_SIZE)
    world.lay(terrain)
    world.place((0.0, start[0], start_height(BODY)), (0.0, 0.0, start[1], start[2]), STANCE.tolist())
    for wanted, row in zip(targets, found, strict=True):
        world.advance(wanted)
        world.read(state)
        np.testing.assert_array_equal(row, state)
    world.close()


def test_unknown_and_missing_constants_are_refused():
    for constants in (native.constants(BODY) | {"tail": 1.0}, {"urdf": ""}):
        with pytest.raises((ValueError, KeyError)):
            native.core_of(BODY).Robot(native.engine.bullet.__file__, constants)


def test_an_unknown_engine_is_refused_by_name():
    thetas = np.zeros((1, CONTROLLER.parameters), dtype=np.float32)
    with pytest.raises(ValueError, match="'lava'; it must be one of native, pybullet"):
        find_domain("hexapod3d").run(Batch.of(thetas, task(0), np.zeros(1, dtype=np.uint64)), engine="lava")
