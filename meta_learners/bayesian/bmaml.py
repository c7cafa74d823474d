"""Bayesian MAML: particles that Stein's gradient moves, and the chaser loss (Yoon et al. 2018, arXiv:1806.03836).

Each task's posterior is M networks, with their precisions of the noise and of their weights, which start from M learned
ones and take a few steps of Stein variational gradient descent (Liu and Wang 2016, arXiv:1608.04471) on the support.
Those followers chase leaders, which go on from them by a step on support and query together and are held fixed: the
loss is the squared distance between them, without the precisions (algorithm 3). So that loss never says how large the
noise is that particles begin with. The followers' likelihood of the queries does, and moves it alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from environments.settings import Bounds
from meta_learners.bayesian.adapting import PACE, AdaptingSettings, Likelihood, kind_of, repeated
from meta_learners.episodes import Examples, TaskBatch
from meta_learners.few_shot.parameter_learner import Step, descent
from meta_learners.networks.policies import Parameters
from meta_learners.predictions import Prediction

__all__ = ["BMAML", "LEARNER", "BMAMLSettings", "stein_direction"]

NOISE, WEIGHTS = "precision.noise", "precision.weights"  # logarithms, which are parts of a particle
# Gamma priors of both, by shape and rate, as in the authors' code.
PRIORS = {NOISE: (2.0, 0.2), WEIGHTS: (2.0, 2.0)}
NOISE_PACE = 2 * PACE  # the log precision that particles begin with is so many times its meta-parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class BMAMLSettings(AdaptingSettings):
    """How it learns. `noise` is that of particles to begin with; they are told apart by their drawn weights."""

    particles: Annotated[int, Bounds(1, 1000)] = 5
    leader_steps: Annotated[int, Bounds(1, 1000)] = 1  # on support and query, further than the follower


def stein_direction(particles: Tensor, slopes: Tensor) -> Tensor:
    """Say where particles (..., M, P) go, by the slopes (..., M, P) of their log posterior.

    The kernel is normal; its squared width is the median squared distance over log M, and is taken for fixed.
    """
    count = particles.shape[-2]
    gaps = particles[..., :, None, :] - particles[..., None, :, :]  # (..., M, M, P): from the second to the first
    squares = gaps.square().sum(-1)
    if count == 1:
        return slopes
    off = ~torch.eye(count, dtype=torch.bool, device=particles.device)
    middle = squares.detach()[..., off].median(-1).values
    width = (middle / math.log(count)).clamp(min=1e-12)[..., None, None]
    near = (-squares / width).exp()
    # The kernel's own slope drives particles apart.
    apart = (2 / width[..., None]) * near[..., None] * gaps
    return (near @ slopes + apart.sum(-2)) / count


class BMAML:
    """The system; `meta_learners.few_shot.parameter_learner.System`."""

    def __init__(self, likelihood: Likelihood, settings: BMAMLSettings) -> None:
        self._likelihood, self._settings = likelihood, settings

    def initial(self, generator: torch.Generator) -> Parameters:
        count = self._settings.particles
        networks = [self._likelihood.network.initial(generator) for _ in range(count)]
        found = {name: torch.stack([each[name] for each in networks]) for name in networks[0]}
        found[WEIGHTS] = torch.zeros(count)
        if self._likelihood.ways is None:
            found[NOISE] = torch.tensor(-2 * math.log(self._settings.noise) / NOISE_PACE)
        return found

    def step(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Step:
        both = batch.support.joined(batch.query)

        def loss(leaves: Parameters) -> tuple[Tensor, Prediction]:
            # Not by the noise: rates make up for it, which slopes by it would not see.
            chased = {name: each.detach() if name == NOISE else each for name, each in leaves.items()}
            follower = self.followed(self._particles(chased, batch.tasks), batch.support, self._settings.inner_steps)
            still = {name: each.detach() for name, each in follower.items()}
            leader = self.followed(still, both, self._settings.leader_steps)
            gaps = [
                (follower[name] - leader[name].detach()).square().flatten(2).sum((1, 2))
                for name in follower
                if name not in PRIORS
            ]
            loss = torch.stack(gaps).sum(0).mean()
            with torch.no_grad():
                prediction = self._tell(follower, batch)
            return loss + self._noise_loss(leaves, follower, batch), prediction

        return descent(loss, meta)

    def _noise_loss(self, leaves: Parameters, follower: Parameters, batch: TaskBatch) -> Tensor:
        """Give what queries cost the followers, as a function of the noise alone that their particles began with.

        They begin with one noise: of several, that of the particle that starts furthest off becomes the largest, its
        steps small beside the others', and it ever further off.
        """
        if NOISE not in leaves:
            return torch.zeros(())
        still = {name: each.detach() for name, each in follower.items()}
        start = NOISE_PACE * leaves[NOISE]
        told = self._tell({**still, NOISE: still[NOISE] + start - start.detach()}, batch)
        log = told.log_probability(batch.query.targets)
        assert log is not None
        there = batch.query.present
        return -(torch.where(there, log, 0).sum(1) / there.sum(1).clamp(min=1)).mean()

    def predict(self, meta: Parameters, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        return self._tell(
            self.followed(self._particles(meta, batch.tasks), batch.support, self._settings.inner_steps), batch
        )

    def _particles(self, meta: Parameters, tasks: int) -> Parameters:
        """Give every task the particles (T, M, ...)."""
        placed = {
            name: (NOISE_PACE * each).expand(self._settings.particles) if name == NOISE else each
            for name, each in meta.items()
        }
        return {name: each.expand(tasks, *each.shape) for name, each in placed.items()}

    def followed(self, particles: Parameters, examples: Examples, steps: int) -> Parameters:
        """Take Stein steps from every task's particles (T, M, ...) on its own log posterior."""
        outer = any(each.requires_grad for each in particles.values())
        for _ in range(steps):
            with torch.enable_grad():
                places = {
                    name: each if each.requires_grad else each.detach().requires_grad_()
                    for name, each in particles.items()
                }
                total = self.log_posterior(places, examples).sum()
                slopes = torch.autograd.grad(total, list(places.values()), create_graph=outer)
                flat, way = (_flat(list(each)) for each in (places.values(), slopes))
                moved = flat + self._rates(places, examples) * stein_direction(flat, way)
                particles = _shaped(moved, places)
        return particles

    def _rates(self, particles: Parameters, examples: Examples) -> Tensor:
        """Give the inner rate of every task (T, 1, P); of numbers, as if descending a mean square, whatever the noise.

        One for all particles of a task: where they come to rest stays where it was. The weights' precision has a slope
        of half of each weight: where they are so many that its step would be too long, it is shortened.
        """
        rate = self._of_weights(particles, examples)
        counts = {name: each[0, 0].numel() for name, each in particles.items()}
        weights = sum(count for name, count in counts.items() if name not in PRIORS)
        shorter = rate.clamp(max=2 / weights)
        each = [(shorter if name == WEIGHTS else rate).expand(-1, 1, count) for name, count in counts.items()]
        return torch.cat(each, -1)

    def _of_weights(self, particles: Parameters, examples: Examples) -> Tensor:
        """Give the inner rate (T, 1, 1) of all but the weights' precision."""
        rate = torch.full((len(examples.inputs), 1, 1), self._settings.inner_rate).to(particles[WEIGHTS])
        if NOISE not in particles:
            return rate
        count = examples.present.sum(1).clamp(min=1)[:, None, None]
        precise = particles[NOISE].detach().exp().amax(1)[:, None, None]  # above all others' a step must not be
        return rate * 2 / (count * precise).clamp(min=1)

    def log_posterior(self, particles: Parameters, examples: Examples) -> Tensor:
        """Give every particle's log posterior (M, T) but for a constant: likelihood, weights' prior, precisions'."""
        count = particles[WEIGHTS].shape[1]
        turned = {name: each.transpose(0, 1) for name, each in particles.items()}  # (M, T, ...)
        weights = {name: each.flatten(0, 1) for name, each in turned.items() if name not in PRIORS}
        likelihood = self._likelihood.log(weights, repeated(examples, count), _noise(turned))
        size = sum(each[0].numel() for each in weights.values())
        squares = torch.stack([each.square().flatten(1).sum(1) for each in weights.values()]).sum(0)
        prior = 0.5 * size * turned[WEIGHTS] - 0.5 * turned[WEIGHTS].exp() * squares.reshape(count, -1)
        for name, (shape, rate) in PRIORS.items():
            if name in turned:  # a gamma density, of the logarithm
                prior = prior + shape * turned[name] - rate * turned[name].exp()
        return likelihood.reshape(count, -1) + prior

    def _tell(self, particles: Parameters, batch: TaskBatch) -> Prediction:
        turned = {name: each.transpose(0, 1) for name, each in particles.items()}
        weights = {name: each.flatten(0, 1) for name, each in turned.items() if name not in PRIORS}
        noise = _noise(turned).reshape(-1, batch.tasks, 1, 1)
        return self._likelihood.tell(weights, batch.query.inputs, noise, self._settings.particles)


def _noise(turned: Parameters) -> Tensor:
    """Give each particle's log deviation of numbers (M * T,); 0 for classes."""
    return (-0.5 * turned[NOISE] if NOISE in turned else torch.zeros_like(turned[WEIGHTS])).flatten()


def _flat(tensors: list[Tensor]) -> Tensor:
    """Lay what is a particle's behind one another (T, M, P)."""
    return torch.cat([each.flatten(2) if each.dim() > 2 else each[..., None] for each in tensors], -1)


def _shaped(flat: Tensor, like: Parameters) -> Parameters:
    sizes = [math.prod(each.shape[2:]) for each in like.values()]
    return {
        name: part.reshape(each.shape)
        for (name, each), part in zip(like.items(), torch.split(flat, sizes, -1), strict=True)
    }


LEARNER = kind_of(BMAMLSettings, BMAML)
