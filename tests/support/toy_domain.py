"""A third party's domain whose returns have a closed form: an agent scores by its distance from a target.

The genome is the target (x, y, z); an episode returns 200 - 100 |theta - target|^2 and
a little noise from its seed. It lives outside the project's packages and is found by its
entry point alone, as anybody's would be.
"""

import os
import time
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from environments.controller import Controller
from environments.domain import Environment, Outcome, Rollouts
from environments.suites import Level, Suite

CONTROLLER = Controller((2, 1))  # three parameters


@dataclass(frozen=True)
class ToyEncoding:
    step: float
    name: str = "target"

    def initial(self):
        return {"target": [0.9, -0.6, 0.3]}

    def mutate(self, genome, rng):
        return {"target": [round(x + float(rng.uniform(-self.step, self.step)), 3) for x in genome["target"]]}

    def check(self, genome):
        if list(genome) != ["target"]:
            raise ValueError(f"the genome has {', '.join(genome)}; it has target alone")
        if len(genome["target"]) != 3:
            raise ValueError(f"target is {genome['target']}; it must be three numbers")

    def vector(self, genome):
        return np.array(genome["target"])

    def describe(self, genome):
        return "target " + " ".join(f"{x:g}" for x in genome["target"])


class ToyDomain:
    name = "toy"
    controller = CONTROLLER
    episode_limit = 10
    fall_return = -100.0
    solved_return = 195.0
    engines = ("exact",)
    lanes = MappingProxyType({"exact": 16})
    suites = MappingProxyType({"corners": lambda: CORNERS})

    def encoding(self, name, options):
        if name != "target":
            raise ValueError(f"encoding is {name!r}; toy has target")
        for option in options:
            if option != "step":
                raise ValueError(f"option {option!r} is unknown; the target encoding takes step")
        return ToyEncoding(options.get("step", 0.8))

    def make_env(self, environment, *, render_mode=None, episode_limit=None):
        raise NotImplementedError("the toy has no bodies to step")

    def rollout(self, thetas, environment, seeds, *, episode_limit=None, engine=None):
        CONTROLLER.check(thetas, seeds)
        if engine not in (None, *self.engines):
            raise ValueError(f"engine is {engine!r}; it must be {', '.join(self.engines)}")
        # Lets tests stretch a run in wall-clock time without changing what it computes.
        time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
        distance = ((thetas.astype(np.float64) - np.array(environment.genome["target"])) ** 2).sum(axis=1)
        noise = (seeds % np.uint64(1000)).astype(np.float64) / 1000
        returns = 200 - 100 * distance + noise
        diverged = ~np.isfinite(returns)
        outcomes = np.where(returns > 195, Outcome.FINISHED, Outcome.TIMED_OUT)
        # Lets tests see what a faulty domain does.
        lengths = len(returns) - int(os.environ.get("TOY_LOSES", "0"))
        return Rollouts(
            np.where(diverged, self.fall_return, returns),
            np.full(lengths, episode_limit or self.episode_limit, dtype=np.int32),
            np.where(diverged, Outcome.DIVERGED, outcomes).astype(np.int8),
        )


CORNERS = Suite(
    levels=tuple(
        Level(name, Environment(domain="toy", encoding="target", genome={"target": [x, 0.0, 0.0]}, seed=0))
        for name, x in (("left", -1.0), ("right", 1.0))
    ),
    episode_limit=7,
    solved_above=150.0,
)
DOMAIN = ToyDomain()
