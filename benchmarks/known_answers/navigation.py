"""2D point navigation: MAML's policy gradient (Finn et al. 2017, arXiv:1703.03400, section 5.3).

The point does not see its goal; one gradient step on 20 episodes is to tell the
policy where it lies. Standing still and walking straight to the goal are
computed, and bound what can be reached from either side.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable

import numpy as np

from benchmarks.known_answers.answer import Answer
from meta_learners.experience.sampling import Sampler
from meta_learners.families.navigation import HALF_SIDE, LONGEST_MOVE, Navigation
from meta_learners.gradient.policy_learner import PolicyLearner, PolicySettings
from meta_learners.keys import Stream, numpy_generator

TASKS, EPISODES = 20, 20  # of a meta-step; episodes of each phase
ITERATIONS, SHORT_ITERATIONS = 300, 8
TEST_TASKS = 40
# An action of 1 would be clipped to a tenth of it, so exploring begins at the scale of the longest move.
SETTINGS = PolicySettings(deviation=LONGEST_MOVE, inner_rate=0.01, curvature_tasks=4)


def still_return(limit: int = 100) -> float:
    """Mean return of standing still: minus the mean distance of the square's points from its centre, a step."""
    return -limit * 2 * HALF_SIDE * (math.sqrt(2) + math.asinh(1)) / 6


def oracle_return(limit: int = 100, points: int = 400) -> float:
    """Mean return of going straight along both axes at full speed, by the midpoint rule over the goals."""
    middle = (np.arange(points) + 0.5) / points * HALF_SIDE  # one quadrant: the others mirror it
    left = [np.maximum(middle - LONGEST_MOVE * step, 0.0) for step in range(1, limit + 1)]
    return -float(sum(np.hypot(rest[:, None], rest[None, :]).mean() for rest in left))


def train(name: str, iterations: int, seed: int, device: str, report: Callable[[int, float], None]) -> PolicyLearner:
    """Meta-train by the name of the learner."""
    family = Navigation()
    learner = PolicyLearner(name, 2, family.actions, SETTINGS, seed=seed, device=device)
    sampler = Sampler(family, TASKS, EPISODES, device=device)
    for iteration in range(iterations):
        tasks = family.sample_tasks(TASKS, numpy_generator((seed, iteration, Stream.TASKS)))
        report(iteration, learner.meta_step(sampler, tasks, (seed, iteration))["return_after"])
    return learner


def returns_after(learner: PolicyLearner, device: str = "cpu") -> tuple[float, float]:
    """Mean return before and after one gradient step on 20 episodes, on goals never trained on."""
    family = Navigation()
    sampler = Sampler(family, TEST_TASKS, EPISODES, device=device)
    tasks = family.sample_tasks(TEST_TASKS, numpy_generator((10**6, Stream.TASKS)))
    before, after = (learner.adapt(sampler, tasks, episodes, (10**6, episodes)) for episodes in (0, 1))
    played = (sampler.play(tasks, actor, (10**6, 2), episodes=1) for actor in (before, after))
    mean_before, mean_after = (float(rollout.episode_returns(1).mean()) for rollout in played)
    return mean_before, mean_after


def run(*, short: bool, seed: int, device: str = "cpu") -> list[Answer]:
    """Measure: in full beside the oracle, in short beside standing still."""
    learner = train("maml", SHORT_ITERATIONS if short else ITERATIONS, seed, device, lambda _, __: None)
    before, after = returns_after(learner, device)
    answers = [Answer("navigation: maml, return after 1 step", after, still_return(), "higher", 0, "", "computed")]
    if not short:
        answers.append(
            Answer("navigation: maml, beside the oracle", after, oracle_return(), "beside", 0, "", "computed")
        )
        answers.append(Answer("navigation: maml, gain of 1 step", after - before, 0.0, "higher"))
    return answers


def main() -> None:
    """Train one learner and print its returns, for a person."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("learner")
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    def report(iteration: int, value: float) -> None:
        if iteration % 10 == 0:
            print(json.dumps({"iteration": iteration, "return_after": value}), flush=True)

    learner = train(options.learner, options.iterations, options.seed, options.device, report)
    before, after = returns_after(learner, options.device)
    bounds = {"still": still_return(), "oracle": oracle_return()}
    print(json.dumps({**vars(options), "return_before": before, "return_after": after, **bounds}))


if __name__ == "__main__":
    main()
