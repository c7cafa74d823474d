"""PPO in the inner loop: its mathematics against other people's, its worlds against single episodes, its bits."""

import math
import os
import pickle
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from cluster.executor import InProcess
from cluster.processes import Processes
from environments.controller import ACTIVATIONS, Controller
from environments.domain import NO_OUTCOME, Environment, Outcome, Rollouts, find_domain
from evolution import proximal
from evolution.evaluator import EvaluationError, Evaluator
from evolution.optimisers import ppo_learning
from evolution.optimisers.asking import Asking
from evolution.optimisers.ppo import PPOSettings, learner_of, state_of
from evolution.optimisers.ppo_experience import Experience, gather, worlds_of
from evolution.optimisers.ppo_learning import actor, gradient, improve, lay_out, loss_of, pack, unpack
from evolution.requests import Simulation
from poet.config import build, merge, read_preset
from poet.phases import Phase
from poet.population import first_population

WALKER = find_domain("walker2d")
FLAT = Environment(domain="walker2d", encoding="parametric", genome=WALKER.encoding("parametric", {}).initial(), seed=4)
SHORT = PPOSettings(worlds=3, steps=70, epochs=2, minibatches=4)
SIMULATION = Simulation(domain="walker2d", seed=3, episode_limit=25)
KEY = (0, 7, 2)
SMALL = Controller((3, 5, 4, 2))


def small(controller=SMALL, **options):
    """A learner of a small controller, all of whose parts are random."""
    optimiser = PPOSettings(critic=(6,), **options).make(controller)
    rng = np.random.default_rng(1)
    learner = learner_of(optimiser.fresh(controller.initial_theta(rng, 0.7), rng))
    inputs = controller.sizes[0]
    return optimiser, replace(
        learner,
        log_deviation=rng.normal(-0.5, 0.2, controller.sizes[-1]),
        seen_mean=rng.standard_normal(inputs),
        seen_variance=rng.uniform(0.1, 4, inputs),
        seen_count=100,
    )


def shown(controller=SMALL, steps=12, worlds=3, seed=2):
    """Experience of nothing, in which some episodes terminate and some are cut."""
    rng = np.random.default_rng(seed)
    inputs, outputs = controller.sizes[0], controller.sizes[-1]
    observations, following = rng.standard_normal((2, steps, worlds, inputs)).astype(np.float32)
    over = rng.random((steps, worlds)) < 0.2
    terminated = over & (rng.random((steps, worlds)) < 0.5)
    following[:-1][~over[:-1]] = observations[1:][~over[:-1]]
    over[-1] = True
    nothing = Rollouts(np.zeros(0), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int8))
    actions = rng.standard_normal((steps, worlds, outputs)).astype(np.float32)
    return Experience(
        observations, following, actions, 5 * rng.standard_normal((steps, worlds)), terminated, over, nothing
    )


def iteration(optimiser, state, simulation=SIMULATION, environment=FLAT):
    evaluator = Evaluator(simulation, InProcess())
    return optimiser._iteration(learner_of(state), environment, asking(evaluator))


def asking(evaluator):
    return Asking(key=KEY, simulation=evaluator.simulation, evaluator=evaluator, purpose="optimise")


def awaited(evaluator, chain):
    with evaluator.side_by_side("optimise", 1) as flow:
        return flow.wait(flow.start(chain))


@pytest.fixture(scope="module")
def walker():
    optimiser = SHORT.make(WALKER.controller)
    rng = np.random.default_rng(0)
    return optimiser, optimiser.fresh(WALKER.controller.initial_theta(rng), rng)


# The mathematics.


def plain_loss(numbers, rows, shapes, settings):
    """PPO's loss written once more, in NumPy and double precision, a row at a time."""

    def evaluate(network, theta, signal):
        for (weights, biases), last in zip(
            network.layers(theta), [False] * (len(network.sizes) - 2) + [True], strict=True
        ):
            signal = signal @ weights + biases
            kind = network.output if last else network.activation
            signal = {
                "tanh": np.tanh,
                "relu": lambda x: np.maximum(x, 0),
                "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
                "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
                "silu": lambda x: x / (1 + np.exp(-x)),
                "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
                "none": lambda x: x,
            }[kind](signal)
        return signal

    policy, critic, log_deviation = np.split(numbers, [shapes.policy, shapes.values.stop])
    deviation, total = np.exp(log_deviation), 0.0
    for observation, action, known, gain, target in zip(*rows, strict=True):
        scaled = (action - evaluate(shapes.controller, policy, observation)) / deviation
        density = np.prod(np.exp(-0.5 * scaled**2) / (deviation * math.sqrt(2 * math.pi)))
        ratio = density / math.exp(known)
        total -= min(ratio * gain, min(max(ratio, 1 - settings.clip), 1 + settings.clip) * gain)
        total += 0.5 * (evaluate(shapes.critic, critic, observation)[0] - target) ** 2
    entropy = sum(0.5 * math.log(2 * math.pi * math.e * each**2) for each in deviation)
    return total / len(rows[0]) - settings.entropy * entropy


@pytest.mark.parametrize(("hidden", "output"), [(name, "tanh") for name in ACTIVATIONS] + [("tanh", "none")])
def test_the_gradient_is_that_of_finite_differences_of_the_loss_written_once_more(hidden, output):
    optimiser, learner = small(Controller(SMALL.sizes, hidden, output), entropy=0.03)
    shapes, settings = optimiser.shapes, optimiser.settings.learning
    rng = np.random.default_rng(5)
    parameters = pack(learner, shapes).double()
    rows = [rng.standard_normal((9, 3)), rng.standard_normal((9, 2)), None, *rng.standard_normal((2, 9))]
    with torch.no_grad():
        means = shapes.mean(parameters, torch.from_numpy(rows[0]))
        known = ppo_learning.log_probability(means, shapes.log_deviation(parameters), torch.from_numpy(rows[1]))
    rows[2] = known.numpy() + rng.normal(0, 0.3, 9)  # so that some ratios are clipped, at either end
    names = ("observations", "actions", "log_probabilities", "gains", "targets")
    batch = {name: torch.from_numpy(each) for name, each in zip(names, rows, strict=True)}
    found, told = gradient(parameters, batch, shapes, settings)
    assert 0 < told[4] < 1  # the clipped share
    loss, _ = loss_of(parameters, batch, shapes, settings)
    numbers, step = parameters.numpy(), 1e-6
    assert loss.item() == pytest.approx(plain_loss(numbers, rows, shapes, settings), rel=1e-12)
    for place in range(len(numbers)):
        nudge = np.zeros_like(numbers)
        nudge[place] = step
        up, down = (plain_loss(numbers + sign * nudge, rows, shapes, settings) for sign in (1, -1))
        assert found[place].item() == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("core", [True, False], ids=["core", "torch"])
def test_an_iteration_is_the_one_that_torchs_own_parts_make(core):
    optimiser, learner = small(whiten=False, epochs=3, minibatches=4, entropy=0.01, largest_norm=0.4)
    learner = replace(learner, seen_mean=np.zeros(3), seen_variance=np.ones(3))
    experience, settings = shown(), optimiser.settings
    with nullcontext() if core else proximal.set_aside():
        found, _ = improve(learner, experience, optimiser.shapes, settings.learning, np.random.default_rng(8))

    def network(controller, theta):
        layers = []
        for weights, biases in controller.layers(theta.astype(np.float32)):
            layer = torch.nn.Linear(*weights.shape)
            layer.weight.data, layer.bias.data = torch.from_numpy(weights.T.copy()), torch.from_numpy(biases.copy())
            layers += [layer, torch.nn.Tanh()]
        return torch.nn.Sequential(*(layers if controller.output == "tanh" else layers[:-1]))

    policy, critic = network(SMALL, learner.theta), network(optimiser.shapes.critic, learner.critic)
    log_deviation = torch.nn.Parameter(torch.from_numpy(learner.log_deviation).float())
    adam = torch.optim.Adam(
        [*policy.parameters(), *critic.parameters(), log_deviation], lr=settings.step_size, eps=1e-5
    )

    def distribution(rows):
        normal = torch.distributions.Normal(policy(rows), log_deviation.exp())
        return torch.distributions.Independent(normal, 1)

    seen = torch.from_numpy(experience.observations).flatten(0, 1)
    actions = torch.from_numpy(experience.actions).flatten(0, 1)
    with torch.no_grad():
        values = critic(torch.from_numpy(experience.observations))[..., 0]
        following = critic(torch.from_numpy(experience.following))[..., 0]
        known = distribution(seen).log_prob(actions)
    gains = torch.zeros_like(values)
    ahead = torch.zeros(3)
    for step in reversed(range(12)):
        worth = torch.where(torch.from_numpy(experience.terminated[step]), 0.0, following[step])
        reward = 0.05 * torch.from_numpy(experience.rewards[step]).float().clamp(min=-10)
        going = ~torch.from_numpy(experience.ends[step])
        ahead = reward + 0.99 * worth - values[step] + 0.99 * 0.95 * going * ahead
        gains[step] = ahead
    targets, gains = (gains + values).flatten(), gains.flatten()
    gains = (gains - gains.mean()) / (gains.std(correction=0) + 1e-8)
    rng = np.random.default_rng(8)
    for _ in range(3):
        for rows in torch.from_numpy(rng.permutation(36)).chunk(4):
            now = distribution(seen[rows])
            ratio = (now.log_prob(actions[rows]) - known[rows]).exp()
            climbed = torch.min(ratio * gains[rows], ratio.clamp(0.8, 1.2) * gains[rows]).mean()
            missed = torch.nn.functional.mse_loss(critic(seen[rows])[:, 0], targets[rows])
            adam.zero_grad()
            (0.5 * missed - climbed - 0.01 * now.entropy().mean()).backward()
            for part in (policy, critic):
                torch.nn.utils.clip_grad_norm_(part.parameters(), 0.4)
            adam.step()
    for numbers, part in ((found.theta, policy), (found.critic, critic)):
        own = [tensor for layer in part if hasattr(layer, "weight") for tensor in (layer.weight.T, layer.bias)]
        np.testing.assert_allclose(numbers, torch.cat([each.flatten() for each in own]).detach(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.log_deviation, log_deviation.detach(), rtol=1e-4)
    assert np.abs(found.theta - learner.theta).max() > 5e-3
    assert found.updates == 12


def test_a_cut_episode_goes_on_being_worth_what_the_critic_says_and_a_fall_is_worth_nothing_more():
    optimiser, learner = small(trace=1.0, discount=0.9)
    shapes, settings = optimiser.shapes, optimiser.settings.learning
    learner = replace(learner, critic=9 * learner.critic)
    parameters = pack(learner, shapes)
    experience = replace(
        shown(worlds=2, steps=1), rewards=np.array([[7.0, -100.0]]), terminated=np.array([[False, True]])
    )
    found = lay_out(parameters, experience, shapes, learner, settings)
    after = torch.from_numpy((experience.following[0] - learner.seen_mean) / learner.spread).float()
    worth = shapes.value(parameters, after)[0].item()
    assert abs(worth) > 0.05
    # A fall's -100 counts as the option says, -10, and rewards are scaled by 0.05.
    np.testing.assert_allclose(found["targets"], [0.05 * 7 + 0.9 * worth, 0.05 * -10], rtol=1e-5)


def test_networks_for_whitened_observations_give_what_those_for_raw_ones_give():
    optimiser, learner = small()
    shapes = optimiser.shapes
    raw = np.random.default_rng(3).standard_normal((8, 3)).astype(np.float32)
    white = torch.from_numpy((raw - learner.seen_mean) / learner.spread).float()
    parameters = pack(learner, shapes)
    with actor(SMALL, learner.theta) as mean:
        np.testing.assert_allclose(shapes.mean(parameters, white), mean(raw), atol=2e-6)
    with proximal.set_aside(), actor(SMALL, learner.theta) as mean:
        np.testing.assert_allclose(shapes.mean(parameters, white), mean(raw), atol=2e-6)
    expected = SMALL.policies(np.repeat(learner.theta[None].astype(np.float32), 8, axis=0))(raw)
    np.testing.assert_allclose(shapes.mean(parameters, white), expected, atol=2e-6)
    back = unpack(parameters, *torch.zeros(2, shapes.size), 0, shapes, learner)
    np.testing.assert_allclose(back.theta, learner.theta, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(back.critic, learner.critic, rtol=1e-5, atol=1e-6)


def test_what_whitening_knows_is_mean_and_variance_of_all_that_was_seen():
    _, learner = small()
    seen = np.random.default_rng(6).normal(3, 2, (5, 40, 3)).astype(np.float32)
    learner = replace(learner, seen_mean=np.zeros(3), seen_variance=np.ones(3), seen_count=0)
    for part in seen:
        learner = learner.note(part)
    rows = seen.reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(learner.seen_mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(learner.seen_variance, rows.var(axis=0), rtol=1e-12)
    assert learner.seen_count == 200


@pytest.mark.parametrize("core", [True, False], ids=["core", "torch"])
def test_numbers_that_break_down_leave_the_agent_as_it_was(core):
    optimiser, learner = small()
    experience = shown()
    experience.rewards[3, 1] = np.inf
    with nullcontext() if core else proximal.set_aside():
        found, figures = improve(
            learner, experience, optimiser.shapes, optimiser.settings.learning, np.random.default_rng(1)
        )
    assert found is learner
    whole, others = improve(learner, shown(), optimiser.shapes, optimiser.settings.learning, np.random.default_rng(1))
    assert whole is not learner
    assert figures["broken"] == 1
    assert others["broken"] == 0
    assert figures.keys() == others.keys()
    assert all(map(math.isfinite, figures.values()))


# Experience.


def gathered(engine=None, push="fresh", steps=70, limit=25):
    simulation = Simulation(domain="walker2d", seed=3, episode_limit=limit, push=push)
    theta = WALKER.controller.initial_theta(np.random.default_rng(0))

    def seeds(start, stop):
        return simulation.episode_seeds(FLAT, KEY, start, stop)

    with (
        worlds_of(WALKER, FLAT, 3, episode_limit=limit, engine=engine) as worlds,
        actor(WALKER.controller, theta) as mean,
    ):
        rng = np.random.default_rng(9)
        return gather(worlds, mean, np.full(4, 0.6, dtype=np.float32), steps=steps, seeds=seeds, noise=rng), seeds


def test_worlds_show_what_single_episodes_of_their_seeds_show():
    found, seeds = gathered(steps=60)
    env = WALKER.make_env(FLAT, episode_limit=25)
    returns = []
    for world in range(3):
        number, step = world, 0
        while step < 60:
            seen, _ = env.reset(seed=int(seeds(number, number + 1)[0]))
            total, over = 0.0, False
            while not over and step < 60:
                np.testing.assert_array_equal(found.observations[step, world], seen)
                seen, reward, terminated, truncated, _ = env.step(found.actions[step, world])
                np.testing.assert_array_equal(found.following[step, world], seen)
                assert found.rewards[step, world] == reward
                assert found.terminated[step, world] == terminated
                over = terminated or truncated
                assert found.ends[step, world] == (over or step == 59)
                total, step = total + reward, step + 1
            returns.append(total)
            number += 3
    assert sorted(returns) == sorted(found.rollouts.returns.tolist())
    assert found.rollouts.lengths.sum() == 180
    assert found.rollouts.count(Outcome.TIMED_OUT) == 6
    assert (found.rollouts.outcomes == NO_OUTCOME).sum() == 3


def test_the_reference_engine_shows_the_same_to_the_bit():
    (native, _), (reference, _) = gathered(), gathered(engine="reference")
    for name in ("observations", "following", "actions", "rewards", "ends"):
        np.testing.assert_array_equal(getattr(native, name), getattr(reference, name))


def test_with_a_fixed_push_every_episode_begins_alike():
    fixed, fresh = (gathered(push=push)[0] for push in ("fixed", "fresh"))
    begins = [0, 25, 50]  # of episodes of 25 steps
    assert len(np.unique(fixed.observations[begins].reshape(-1, 24), axis=0)) == 1
    assert len(np.unique(fresh.observations[begins].reshape(-1, 24), axis=0)) == 9


# The optimiser.


def assert_equal_states(ours, theirs):
    np.testing.assert_array_equal(ours.theta, theirs.theta)
    assert ours.parts.keys() == theirs.parts.keys()
    for name, part in ours.parts.items():
        np.testing.assert_array_equal(part, theirs.parts[name])


def test_an_iteration_gives_the_same_bits_however_many_threads_torch_has_and_leaves_them_alone(walker):
    optimiser, state = walker
    item, before = iteration(optimiser, state), torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(pickle.loads(pickle.dumps(item))())
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert found[0].figures == found[1].figures
    assert_equal_states(state_of(found[0].learner), state_of(found[1].learner))
    other = iteration(optimiser, state, replace(SIMULATION, seed=4))()
    assert (other.learner.theta != found[0].learner.theta).any()


@pytest.mark.skipif(find_spec("pybullet") is None, reason="pybullet is not installed")
def test_the_hexapod_learns_through_gymnasiums_vector_of_its_environments():
    hexapod = find_domain("hexapod3d")
    optimiser = PPOSettings(worlds=2, steps=30, epochs=1, minibatches=2).make(hexapod.controller)
    rng = np.random.default_rng(0)
    state = optimiser.fresh(hexapod.controller.initial_theta(rng), rng)
    genome = hexapod.encoding("parametric", {}).initial()
    ground = Environment(domain="hexapod3d", encoding="parametric", genome=genome, seed=4)
    simulation = Simulation(domain="hexapod3d", seed=3, episode_limit=20)
    first, second = (iteration(optimiser, state, simulation, ground)() for _ in range(2))
    assert_equal_states(state_of(first.learner), state_of(second.learner))
    assert (first.learner.theta != state.theta).any()
    assert first.figures["broken"] == 0
    assert sorted(first.rollouts.lengths) == [10, 10, 20, 20]


def test_a_step_is_counted_to_the_last_control_step_and_keeps_names_and_shapes(walker):
    optimiser, state = walker
    evaluator = Evaluator(SIMULATION, InProcess())
    after, figures = awaited(evaluator, optimiser.step(state, FLAT, asking(evaluator)))
    tally = evaluator.take_tally()
    assert tally.steps == {"optimise": 3 * 70}
    assert tally.episodes["optimise"] == figures["training_episodes"] == 9
    assert figures["training_steps"] == 210
    assert {name: part.shape for name, part in after.parts.items()} == {n: p.shape for n, p in state.parts.items()}
    assert all(part.dtype == np.float64 for part in after.parts.values())
    assert all(isinstance(value, float) and math.isfinite(value) for value in figures.values())
    assert (after.theta != state.theta).mean() > 0.9


def test_a_visitor_is_tuned_as_a_step_with_the_hosts_critic_would_and_the_host_stays_as_it_is(walker):
    optimiser, state = walker
    visitor = WALKER.controller.initial_theta(np.random.default_rng(77))
    kept = {name: part.copy() for name, part in state.parts.items()}
    evaluator = Evaluator(SIMULATION, InProcess())
    tuned = awaited(evaluator, optimiser.propose(visitor, state, FLAT, asking(evaluator)))
    expected, _ = awaited(evaluator, optimiser.step(replace(state, theta=visitor), FLAT, asking(evaluator)))
    np.testing.assert_array_equal(tuned, expected.theta)
    assert (tuned != visitor).any()
    for name, part in kept.items():
        np.testing.assert_array_equal(state.parts[name], part)


@dataclass(frozen=True)
class Failing:
    """Workers at which every item comes to a bad end."""

    inner: object
    end: object

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def submit(self, items, urgency=0):
        return self.inner.submit([self.end] * len(items), urgency)


def divide():
    raise ZeroDivisionError("a fault\nof two lines")


@pytest.mark.parametrize(
    ("make", "end", "reason"),
    [
        (InProcess, divide, "ZeroDivisionError: a fault"),
        (lambda: Processes(1), os.abort, r"it ended its worker \d+ times"),
    ],
)
def test_an_iteration_that_fails_is_counted_and_leaves_the_agent_as_it_was(walker, caplog, make, end, reason):
    optimiser, state = walker
    healthy = iteration(optimiser, state)().figures
    pool = make()
    evaluator = Evaluator(SIMULATION, Failing(pool, end))
    after, figures = awaited(evaluator, optimiser.step(state, FLAT, asking(evaluator)))
    assert after is state
    assert figures.keys() == healthy.keys()
    assert (figures["broken"], healthy["broken"]) == (1, 0)
    assert figures["training_return"] == WALKER.fall_return
    assert evaluator.tally.episodes == {"optimise": 3}
    assert evaluator.tally.diverged == evaluator.tally.crashed == 3
    visitor = state.theta + 1
    tuned = awaited(evaluator, optimiser.propose(visitor, state, FLAT, asking(evaluator)))
    np.testing.assert_array_equal(tuned, visitor)
    if hasattr(pool, "close"):
        pool.close()
    assert [len(record.getMessage().splitlines()) for record in caplog.records if record.levelname == "ERROR"] == [1, 1]
    with pytest.raises(EvaluationError, match=f"^no episode could be simulated; [^\n]* failed: {reason}$"):
        evaluator.take_tally()  # all of them failed, which is no agent's doing


def test_a_mover_keeps_what_it_knows_or_begins_afresh_at_a_fraction_of_the_deviation(walker):
    optimiser, state = walker
    evaluator = Evaluator(SIMULATION, InProcess())
    state, _ = awaited(evaluator, optimiser.step(state, FLAT, asking(evaluator)))
    theta = state.theta + 1

    def moved(restart):
        return optimiser.moved(state, theta, restart, np.random.default_rng(0))

    assert_equal_states(moved("keep"), replace(state, theta=theta))
    fresh = optimiser.fresh(theta, np.random.default_rng(0))
    for restart, deviation in (("full", 0.6), (1.0, 0.6), (0.5, 0.3), (0.0, 0.05)):
        found = moved(restart)
        assert np.exp(found.parts["log_deviation"]) == pytest.approx([deviation] * 4)
        assert_equal_states(replace(found, parts={**found.parts, "log_deviation": fresh.parts["log_deviation"]}), fresh)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"worlds": 0}, "worlds is 0; it must be in [1, 4096]"),
        ({"critic": (64, 0)}, "critic is [64, 0]; it must be a list of at most 8 sizes, each in [1, 4096]"),
        ({"worlds": 4096, "steps": 2442}, "worlds is 4096 and steps 2442; their product must be at most 10000000"),
        ({"deviation": 0.01}, "least_deviation is 0.05; it must be at most deviation, 0.01"),
    ],
)
def test_options_out_of_range_are_refused(options, reason):
    with pytest.raises(ValueError, match="^" + reason.replace("[", r"\[").replace("]", r"\]")):
        PPOSettings(**options)


def test_every_option_has_a_meaning():
    assert list(PPOSettings.meanings) == [name for name in PPOSettings.__dataclass_fields__ if name != "meanings"]


# Learning.


class Follow(gymnasium.Env):
    """Reward is for an action that follows what is seen: the best action is 0.8 x - 0.1."""

    observation_space = gymnasium.spaces.Box(-5, 5, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._left = 20
        return self._look(), {"outcome": NO_OUTCOME}

    def step(self, action):
        reward = -float((action[0] - (0.8 * (self._seen[0] - 3) - 0.1)) ** 2)
        self._left -= 1
        outcome = NO_OUTCOME if self._left else Outcome.TIMED_OUT
        return self._look(), reward, False, self._left == 0, {"outcome": int(outcome)}

    def _look(self):
        self._seen = self.np_random.uniform([2, -1], [4, 1]).astype(np.float32)
        return self._seen


def test_an_agent_learns_what_pays():
    controller = Controller((2, 16, 1))
    settings = PPOSettings(critic=(16,), reward_scale=1.0, discount=0.5, epochs=10, minibatches=8, step_size=5e-3)
    optimiser = settings.make(controller)
    rng = np.random.default_rng(0)
    learner = learner_of(optimiser.fresh(controller.initial_theta(rng), rng))
    worlds = SyncVectorEnv([Follow] * 8, autoreset_mode=AutoresetMode.DISABLED)
    returns = []
    for number in range(12):
        with actor(controller, learner.theta) as mean:
            experience = gather(
                worlds,
                mean,
                np.exp(learner.log_deviation).astype(np.float32),
                steps=60,
                seeds=lambda start, stop, first=1000 * number: np.arange(first + start, first + stop, dtype=np.uint64),
                noise=rng,
            )
        returns.append(experience.rollouts.returns.mean() / 20)
        learner, _ = improve(learner, experience, optimiser.shapes, settings.learning, rng)
    seen = rng.uniform([2, -1], [4, 1], (200, 2)).astype(np.float32)
    acted = controller.policies(np.repeat(learner.theta[None].astype(np.float32), 200, axis=0))(seen)[:, 0]
    wanted = 0.8 * (seen[:, 0] - 3) - 0.1
    assert ((acted - wanted) ** 2).mean() < 0.1 * wanted.var()
    assert returns[-1] > 0.5 * returns[0]


@pytest.mark.slow
def test_a_walker_walks_on_flat_ground_within_a_million_and_a_half_steps():
    config = build(merge(read_preset("ppo"), {"seed": 2}), "test")
    optimiser, (pair,) = config.make_optimiser(), first_population(config).pairs
    state, flat = pair.learner, pair.niche.environment
    evaluator, scores = Evaluator(config.simulation(), InProcess()), []
    for number in range(46):
        ask = replace(asking(evaluator), key=(Phase.OPTIMISE, number, 0))
        state, _ = awaited(evaluator, optimiser.step(state, flat, ask))
        (own,) = evaluator.run("score", [evaluator.score_request(state.theta, flat, (Phase.RESCORE, number, 0), 20)])
        scores.append(own.returns.mean())
        if scores[-1] >= 230:
            break
    assert scores[-1] >= 230, scores
