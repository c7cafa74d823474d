"""Batches of mixed environments: a row's result is what it was alone, whoever plays it."""

import numpy as np
import pytest

from environments.controller import Controller
from environments.domain import NO_OUTCOME, Batch, Environment, Outcome, find_domain
from environments.equipped import equip
from environments.walker2d.env import Lidar

WALKS = [(name, engine) for name in ("walker2d", "walker2d-published") for engine in find_domain(name).engines]
CRAWLS = [("hexapod3d", engine) for engine in find_domain("hexapod3d").engines]


def environments_of(name):
    gene = {"hexapod3d": "bumps"}.get(name, "roughness")
    return tuple(
        Environment(domain=name, encoding="parametric", genome={gene: size}, seed=3) for size in (0.0, 0.05, 0.1)
    )


def mixed(name, rows, seed=0):
    """Lay out rows in no order at all, with agents that fall and others that stand."""
    rng = np.random.default_rng(seed)
    thetas = 0.4 * rng.standard_normal((rows, find_domain(name).controller.parameters))
    return Batch(thetas, environments_of(name), rng.integers(3, size=rows), rng.integers(2**63, size=rows))


def check_alone(domain, batch, found, **how):
    for row in range(len(batch)):
        environment = batch.environments[batch.places[row]]
        alone = domain.run(Batch.of(batch.thetas[row : row + 1], environment, batch.seeds[row : row + 1]), **how)
        assert alone.returns[0] == found.returns[row]
        assert alone.lengths[0] == found.lengths[row]
        assert alone.outcomes[0] == found.outcomes[row]


@pytest.mark.parametrize(("name", "engine"), [*WALKS, *CRAWLS])
def test_a_row_is_what_it_was_alone_in_its_environment(name, engine):
    batch = mixed(name, 70 if engine == "native" and name != "hexapod3d" else 6)
    how = {"episode_limit": 80 if name != "hexapod3d" else 20, "engine": engine}
    found = find_domain(name).run(batch, **how)
    assert len(set(found.returns.tolist())) > len(batch) // 2
    check_alone(find_domain(name), batch, found, **how)


def test_environments_of_both_lidars_are_played_by_their_own_rays_in_one_batch():
    domain = find_domain("walker2d")
    both = (*environments_of("walker2d"), *environments_of("walker2d-published"))
    assert {Lidar.of(environment) for environment in both} == set(Lidar)
    plain = mixed("walker2d", 24)
    batch = Batch(plain.thetas, both, np.arange(24) % 6, plain.seeds)
    check_alone(domain, batch, domain.run(batch, episode_limit=60), episode_limit=60)


def test_a_domain_that_plays_one_environment_a_call_is_given_the_rest_by_its_closed_form():
    toy, rng = find_domain("toy"), np.random.default_rng(1)
    targets = rng.uniform(-1, 1, (4, 3))
    places, thetas = rng.integers(4, size=30), rng.uniform(-1, 1, (30, 3)).astype(np.float32)
    places_of = tuple(
        Environment(domain="toy", encoding="target", genome={"target": target.tolist()}, seed=0) for target in targets
    )
    seeds = rng.integers(10**6, size=30).astype(np.uint64)
    found = toy.run(Batch(thetas, places_of, places, seeds))
    exact = 200 - 100 * ((thetas.astype(float) - targets[places]) ** 2).sum(axis=1) + (seeds % 1000) / 1000
    np.testing.assert_allclose(found.returns, exact, rtol=1e-12)
    assert toy.capabilities().lanes == 16
    assert not toy.capabilities().mixed_environments


@pytest.mark.parametrize(("name", "engine"), [*WALKS, CRAWLS[0]])
def test_trajectories_are_the_steps_of_the_reference_environment_and_sum_to_the_returns(name, engine):
    domain, batch = find_domain(name), mixed(name, 5)
    limit = 40 if name != "hexapod3d" else 8
    found = domain.run(batch, episode_limit=limit, engine=engine, trajectory=True)
    sums = domain.run(batch, episode_limit=limit, engine=engine)
    np.testing.assert_array_equal(found.returns, sums.returns)
    assert len(found.trajectories.rewards) == found.lengths.sum()
    for row in range(len(batch)):
        steps = found.episode(row)
        act = domain.controller.policy(batch.thetas[row])
        env = domain.make_env(batch.environments[batch.places[row]], episode_limit=limit)
        observation, info = env.reset(seed=int(batch.seeds[row]))
        for seen, done, reward in zip(steps.observations, steps.actions, steps.rewards, strict=True):
            np.testing.assert_array_equal(seen, observation)
            np.testing.assert_array_equal(done, act(observation))
            observation, expected, _, _, info = env.step(act(observation))
            assert reward == expected
        np.testing.assert_array_equal(steps.last[0], observation)
        assert info["outcome"] == found.outcomes[row] != NO_OUTCOME
        env.close()


def test_trajectories_of_chosen_rows_are_theirs():
    found = find_domain("walker2d").run(mixed("walker2d", 6), episode_limit=50, trajectory=True)
    chosen = found.rows(np.array([4, 1]))
    for place, row in enumerate((4, 1)):
        np.testing.assert_array_equal(chosen.episode(place).observations, found.episode(row).observations)
        np.testing.assert_array_equal(chosen.episode(place).last, found.episode(row).last)
    with pytest.raises(ValueError, match="ask for them with trajectory=True"):
        find_domain("walker2d").run(mixed("walker2d", 1), episode_limit=5).episode(0)


def test_agents_of_other_sizes_play_mixed_environments_too():
    controller = Controller((24, 8, 4), "relu", "tanh")
    domain = equip(find_domain("walker2d"), controller)
    plain = mixed("walker2d", 6)
    thetas = np.random.default_rng(2).standard_normal((6, controller.parameters))
    batch = Batch(thetas, plain.environments, plain.places, plain.seeds)
    check_alone(domain, batch, domain.run(batch, episode_limit=40), episode_limit=40)


@pytest.mark.parametrize("name", ["walker2d", "hexapod3d", "toy"])
def test_an_empty_batch_gives_no_rows(name):
    controller = find_domain(name).controller
    empty = Batch(np.zeros((0, controller.parameters)), (), np.zeros(0), np.zeros(0))
    assert len(find_domain(name).run(empty).returns) == 0


def test_rows_that_do_not_fit_are_refused():
    place = environments_of("walker2d")[:1]
    with pytest.raises(ValueError, match=r"seeds has shape \(2,\); it must be \(3,\)"):
        Batch(np.zeros((3, 5)), place, np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="places go from 0 to 1; there are 1 environments"):
        Batch(np.zeros((2, 5)), place, np.array([0, 1]), np.zeros(2))
    with pytest.raises(ValueError, match="places go from -1 to 0; there are 1 environments"):
        Batch(np.zeros((2, 5)), place, np.array([0, -1]), np.zeros(2))
    with pytest.raises(ValueError, match=r"thetas has shape \(2, 5\); it must be \(n, 2804\)"):
        find_domain("walker2d").run(Batch.of(np.zeros((2, 5)), place[0], np.zeros(2)))
    with pytest.raises(ValueError, match="engine is 'warp'"):
        find_domain("walker2d").capabilities("warp")


def test_outcomes_of_mixed_rows_tell_falls_from_time_out():
    batch = mixed("walker2d", 40)
    found = find_domain("walker2d").run(batch, episode_limit=60)
    assert {Outcome.FELL, Outcome.TIMED_OUT} <= {Outcome(outcome) for outcome in found.outcomes.tolist()}
