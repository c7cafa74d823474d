"""Does the published lidar change what agents see, score and learn?

`python -m benchmarks.published_lidar RUN [--json]` measures three things, the third the longest (minutes an ES run;
`--seeds 0` leaves it out): how many rays and steps differ while a run's agents cross their own niches; what the agents,
which evolved under the nearest lidar, score under either; and what ES makes of the first agent in a niche under either.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import NO_OUTCOME, Batch, Environment, find_domain
from environments.walker2d.env import Lidar, WalkerEnv
from environments.walker2d.simulator import CONTROLLER
from environments.weights import read_agent
from evolution.optimisers.es import ESSettings, Learner, es_gradient, es_update
from evolution.requests import PerturbationRequest, Simulation
from poet import archive as archives

FIRST_AGENT = Path(__file__).parent / "results" / "open_endedness" / "first_agent.safetensors"
RAYS = slice(14, 24)
EPISODES = 100  # of a score
LOOKS = 3  # episodes whose rays are compared, a niche
SCORED_EVERY = 10  # ES steps
LIDARS = tuple(Lidar)

Niche = tuple[int, Environment, NDArray[np.float32]]


def niches_of(run: Path) -> list[Niche]:
    """Give the number, environment and present agent of each active niche but the first, which is flat."""
    with archives.reading(run) as connection:
        pairs = archives.read_population(connection).pairs
    return [
        (pair.niche.id, pair.niche.environment, pair.learner.theta.astype(np.float32))
        for pair in pairs
        if pair.niche.parent is not None
    ]


def seen(niche: Niche) -> dict[str, Any]:
    """Count the rays and steps that differ while an agent that sees the nearest ground crosses its niche."""
    number, environment, theta = niche
    nearest, published = (WalkerEnv(environment, lidar=lidar) for lidar in LIDARS)
    act, rays, steps, total = CONTROLLER.policy(theta), 0, 0, 0
    for seed in range(LOOKS):
        observation, info = nearest.reset(seed=seed)
        other, _ = published.reset(seed=seed)
        while info["outcome"] == NO_OUTCOME:
            differing = int(np.count_nonzero(observation[RAYS] != other[RAYS]))
            rays, steps, total = rays + differing, steps + (differing > 0), total + 1
            action = act(observation)
            observation, _, _, _, info = nearest.step(action)
            other, *_ = published.step(action)
    return {"niche": number, "rays": rays / (10 * total), "steps": steps / total}


def scores(niche: Niche) -> dict[str, Any]:
    """Score an agent in its niche under either lidar, on the same episodes."""
    number, environment, theta = niche
    return {"niche": number, **{lidar.name.lower(): _score(theta, environment, lidar, EPISODES) for lidar in LIDARS}}


def _score(theta: NDArray[np.float32], environment: Environment, lidar: Lidar, episodes: int) -> float:
    thetas, seeds = np.broadcast_to(theta, (episodes, theta.size)), np.arange(episodes, dtype=np.uint64)
    played = find_domain(lidar.value).run(Batch.of(thetas, replace(environment, domain=lidar.value), seeds))
    return float(played.returns.mean())


def learn(environment: Environment, lidar: Lidar, seed: int, steps: int) -> list[float]:
    """Train the first agent in a niche by ES under a lidar; its score every tenth step."""
    settings = ESSettings(pairs=64, sigma=0.05, sigma_decay=0.99, sigma_floor=0.02, step_size=0.01)
    learner = Learner.fresh(read_agent(FIRST_AGENT, CONTROLLER).astype(np.float64), settings)
    ground = replace(environment, domain=lidar.value)
    curve = []
    for step in range(steps + 1):
        if step % SCORED_EVERY == 0:
            curve.append(_score(learner.theta.astype(np.float32), environment, lidar, 20))
            sys.stderr.write(f"{lidar.name.lower()}, seed {seed}, ES step {step}: {curve[-1]:.1f}\n")
        request = PerturbationRequest(
            simulation=Simulation(domain=lidar.value, seed=seed, episode_limit=2000),
            environment=ground,
            theta=learner.theta.astype(np.float32),
            sigma=learner.sigma,
            key=(0, step),
            start=0,
            stop=settings.pairs,
        )
        gradient = es_gradient(request.noise(), request().returns.reshape(-1, 2), learner.sigma)
        learner = es_update(learner, gradient, settings)
    return curve


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Does the published lidar change what agents see, score and learn?")
    parser.add_argument("run", type=Path, help="a walker run whose agents and niches are looked at")
    parser.add_argument("--niche", type=int, help="where ES learns; the last one by default")
    parser.add_argument("--seeds", type=int, default=3, help="ES runs under each lidar; 0 for none")
    parser.add_argument("--steps", type=int, default=100, help="ES steps of each")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    niches = niches_of(options.run)
    chosen = next(niche for niche in niches if niche[0] == (options.niche or niches[-1][0]))
    result: dict[str, Any] = {
        "seen": [seen(niche) for niche in niches],
        "scores": [scores(niche) for niche in niches],
        "niche": chosen[0],
        "learnt": {
            lidar.name.lower(): [learn(chosen[1], lidar, seed, options.steps) for seed in range(options.seeds)]
            for lidar in LIDARS
        },
    }
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for row, score in zip(result["seen"], result["scores"], strict=True):
        print(
            f"niche {row['niche']:>3}: {row['rays']:5.1%} of rays and {row['steps']:5.1%} of steps differ; "
            f"its agent scores {score['nearest']:6.1f} and, with the published lidar, {score['published']:6.1f}"
        )
    for name, curves in result["learnt"].items():
        for seed, curve in enumerate(curves):
            print(f"ES in niche {chosen[0]}, {name}, seed {seed}: {' '.join(f'{score:.0f}' for score in curve)}")


if __name__ == "__main__":
    main()
