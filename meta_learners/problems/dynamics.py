"""How a body moves, to be told from a few of its steps: the dynamics of niches with hidden physics.

A task is the body of a niche; an example is what it sees of itself at a control step, and its last actions, and the
target is how its speeds change in that step. Bodies babble: they do what chance says, at first by weak and later by
strong actions, so that a late action and a weak motor can be told. Bodies are split by lineage, and one that is in
two splits stays in the first alone. It is meaningless where all bodies are alike, and refused there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from environments.domain import Domain, Environment
from environments.settings import Bounds
from environments.tasks.curriculum import SPLITS
from environments.tasks.worlds import make_worlds
from meta_learners.episodes import FamilyKind, Source, SplitError, TaskBatch, check_split
from meta_learners.errors import MetaLearningError
from meta_learners.keys import Key, Stream, numpy_generator, torch_generator
from meta_learners.predictions import Numbers
from meta_learners.problems.archive import Pool, pool_of
from meta_learners.problems.numbers import FunctionSettings, split_examples

__all__ = ["KIND", "Dynamics", "DynamicsSettings", "Sight", "sight_of"]

LEAST = 1e-3  # deviation of an input or a target that is divided by it
RIDGE = 1.0  # of the linear maps, on standardised inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicsSettings(FunctionSettings):
    """The size of a task, and how bodies babble."""

    shots: Annotated[int, Bounds(1, 10_000)] = 10  # steps to learn from
    queries: Annotated[int, Bounds(1, 10_000)] = 30  # steps to be judged on
    bodies: Annotated[int, Bounds(2, 100_000)] = 60  # of a split; mutations fill it up where it has fewer
    steps: Annotated[int, Bounds(1, 100_000)] = 400  # control steps of each
    episode: Annotated[int, Bounds(1, 100_000)] = 40  # of these, before it begins anew
    recent: Annotated[int, Bounds(1, 100)] = 3  # last actions that an example holds, that of the step itself among them
    weakest: Annotated[float, Bounds(1e-6, 1)] = (
        0.05  # largest action of the weakest episodes; of the strongest it is 1
    )
    told: bool = False  # an example holds, too, what is hidden of the body: the bound of what learning can give


@dataclass(frozen=True, slots=True)
class Sight:
    """Which numbers of an observation are of the body and not of the ground, and which of these are speeds."""

    body: tuple[int, ...]
    speeds: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Bank:
    """The steps of B bodies, of which some were starts of episodes and are none."""

    inputs: Tensor  # (B, T, f), standardised
    targets: Tensor  # (B, T, o), likewise
    present: Tensor  # (B, T) bool


class Dynamics:
    """The family.

    Args:
        settings: the size of a task, and how bodies babble.
        pool: the genomes.

    Raises:
        MetaLearningError: nothing is hidden of the domain's bodies.
    """

    name = "dynamics"
    splits = SPLITS
    ways = None

    def __init__(self, settings: DynamicsSettings, pool: Pool) -> None:
        if not hasattr(pool.domain, "hidden"):
            raise MetaLearningError(
                f"nothing is hidden of {pool.domain.name}'s bodies, so their dynamics are all alike"
            )
        self.settings, self._pool = settings, pool
        self._raws: dict[str, Bank] = {}
        self._banks: dict[str, Bank] = {}

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self._bank("train").inputs.shape[2],)

    @property
    def target_size(self) -> int:
        return self._bank("train").targets.shape[2]

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks: steps and changes, scaled so that those of training have mean 0 and deviation 1."""
        check_split(self.name, self.splits, split)
        bank, number = self._bank(split), self.settings.shots + self.settings.queries
        if number > (least := int(bank.present.sum(1).min())):
            raise SplitError(
                f"shots and queries are {number} together, and a body of split {split} took {least} steps; "
                "lower them, or raise steps"
            )
        generator = torch_generator((*key, self.splits.index(split), Stream.TASKS))
        bodies = torch.randint(len(bank.inputs), (count,), generator=generator)
        order = torch.rand(count, bank.present.shape[1], generator=generator)
        places = order.masked_fill(~bank.present[bodies], 2.0).argsort(1)[:, :number]
        rows = bodies[:, None]
        return split_examples(bank.inputs[rows, places], bank.targets[rows, places], self.settings.shots)

    def rivals(self, batch: TaskBatch) -> dict[str, Numbers]:
        """Predict by a linear map of all training bodies, and by that of the body whose map fits the support best."""
        known, asked = (_with_one(each.inputs.double()) for each in (batch.support, batch.query))
        pooled, each = self._maps
        errors = (torch.einsum("mkf,bfo->bmko", known, each) - batch.support.targets.double()).square().mean((2, 3))
        return {
            "linear, all training bodies": Numbers.of((asked @ pooled).float()),
            "linear, nearest training body": Numbers.of((asked @ each[errors.argmin(0)]).float()),
        }

    @cached_property
    def _maps(self) -> tuple[Tensor, Tensor]:
        """Fit linear maps to all of training (f + 1, o), and to each of its bodies (B, f + 1, o)."""
        bank = self._bank("train")
        inputs = _with_one(bank.inputs.double()) * bank.present[..., None]
        squares = inputs.transpose(1, 2) @ inputs
        products = inputs.transpose(1, 2) @ bank.targets.double()
        ridge = RIDGE * torch.eye(squares.shape[1], dtype=squares.dtype)
        return torch.linalg.solve(squares.sum(0) + ridge, products.sum(0)), torch.linalg.solve(
            squares + ridge, products
        )

    def _bank(self, split: str) -> Bank:
        if split not in self._banks:
            raw, train = self._raw(split), self._raw("train")
            scales = [
                (known.mean(0), known.std(0).clamp(min=LEAST))
                for known in (train.inputs[train.present], train.targets[train.present])
            ]
            inputs, targets = (
                ((each - mean) / deviation).float()
                for each, (mean, deviation) in zip((raw.inputs, raw.targets), scales, strict=True)
            )
            self._banks[split] = Bank(inputs, targets, raw.present)
        return self._banks[split]

    def _raw(self, split: str) -> Bank:
        if split not in self._raws:
            bodies = self._bodies[split]
            if not bodies:
                raise SplitError(
                    f"split {split} of dynamics has no body that another does not have; export with another "
                    "--fractions, or let more of physics evolve"
                )
            self._raws[split] = _babbled(self._pool.domain, bodies, self.settings, SPLITS.index(split))
        return self._raws[split]

    @cached_property
    def _bodies(self) -> dict[str, list[Environment]]:
        """List by split one environment of every body, which none of a split before has."""
        found: dict[str, list[Environment]] = {}
        seen: set[bytes] = set()
        domain: Any = self._pool.domain
        for split in SPLITS:
            found[split] = []
            for genome in self._pool.of(split):
                encoding = self._pool.encoding_of(genome).name
                environment = Environment(domain=domain.name, encoding=encoding, genome=genome, seed=0)
                body = domain.hidden(environment).tobytes()
                if body not in seen:
                    seen.add(body)
                    found[split].append(environment)
        if len(found["train"]) < 2:
            raise MetaLearningError(
                "all bodies of split train are alike, so there are no dynamics to be told apart; evolve with "
                "encoding.options.physics"
            )
        return found


def sight_of(domain: str, size: int) -> Sight:
    """Say what observations of a domain's bodies, of so many numbers, are of; of an unknown one all is both."""
    stem = domain.partition("[")[0]
    if stem.startswith("walker2d"):
        return Sight(tuple(range(14)), (1, 2, 3, 5, 7, 10, 12))
    if stem.startswith(("hexapod3d", "quadruped3d", "octopod3d")):
        legs = (size - 28) // 7  # 7 numbers for each leg, and 28 besides: see HexapodEnv
        joints = 3 * legs
        velocities = range(2 * joints + 3, 2 * joints + 9)
        return Sight(tuple(range(size - 15)), (*range(joints, 2 * joints), *velocities))
    return Sight(tuple(range(size)), tuple(range(size)))


def _babbled(domain: Domain, bodies: Sequence[Environment], settings: DynamicsSettings, number: int) -> Bank:
    """Let each body do what chance says, and note every step."""
    rng = numpy_generator((0, number, Stream.EPISODES))
    seed = int(rng.integers(2**31))
    worlds = make_worlds(len(bodies), domain=domain.name, tasks=list(bodies), episode_limit=settings.episode)
    try:
        seen, _ = worlds.reset(seed=seed)
        sight, (size,) = sight_of(domain.name, seen.shape[1]), worlds.single_action_space.shape or ()
        recent = np.zeros((len(bodies), settings.recent, size), np.float32)
        over = np.ones(len(bodies), np.bool_)
        strength = np.empty((len(bodies), 1))
        steps: list[Mapping[str, NDArray[Any]]] = []
        for step in range(settings.steps):
            fresh = (
                over if step else np.zeros_like(over)
            )  # worlds that begin with this step, and do not heed its action
            begun = fresh if step else over
            drawn = np.exp(rng.uniform(np.log(settings.weakest), 0.0, strength.shape))
            strength = np.where(begun[:, None], drawn, strength)
            actions = (strength * rng.uniform(-1, 1, (len(bodies), size))).astype(np.float32)
            recent = np.concatenate([actions[:, None], recent[:, :-1]], 1)
            recent[fresh] = 0.0  # before its first action a body is given 0
            before = seen.copy()
            seen, _, ended, cut, _ = worlds.step(actions)
            over = ended | cut
            held = before[:, sight.body], recent.reshape(len(bodies), -1)
            steps.append(
                {
                    "inputs": np.concatenate(held, 1),
                    "targets": seen[:, sight.speeds] - before[:, sight.speeds],
                    "present": ~fresh & np.isfinite(seen).all(1),
                }
            )
    finally:
        worlds.close()
    inputs, targets, present = (
        torch.from_numpy(np.stack([each[name] for each in steps], 1)) for name in ("inputs", "targets", "present")
    )
    if settings.told:
        own: Any = domain
        hidden = torch.from_numpy(np.stack([own.hidden(body) for body in bodies]))
        inputs = torch.cat([inputs, hidden[:, None].expand(-1, inputs.shape[1], -1)], 2)
    return Bank(inputs.double(), targets.double(), present)


def _with_one(inputs: Tensor) -> Tensor:
    return torch.nn.functional.pad(inputs, (0, 1), value=1.0)


def _make(settings: DynamicsSettings, source: Source) -> Dynamics:
    return Dynamics(settings, pool_of(source.curriculum, settings.bodies, "dynamics"))


KIND = FamilyKind(settings=DynamicsSettings, make=_make, needs="curriculum")
