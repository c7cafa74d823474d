"""What the outer loop of a policy learner descends, as functions of the meta-parameters and the collected data.

Everything is replayed: adapting to the data collected before, and how likely
the adapted policy makes what was done after. Pure functions of tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from meta_learners.experience.batches import Experience, clipped_loss, divergence, likelihood_loss, ratio_loss
from meta_learners.gradient.bilevel import Inner, adapt, initial_of, inner_step, outer_gradient
from meta_learners.networks.policies import Parameters, Policy, stack


@dataclass(frozen=True, slots=True)
class Collected:
    """What one meta-step has seen of M tasks."""

    before: tuple[Experience, ...]  # of each inner step
    after: Experience  # of the adapted policies
    credit: Tensor | None  # (M,) for E-MAML: standardised returns of the adapted policies

    def of_first(self, tasks: int | None) -> Collected:
        """Keep so many tasks, or all when None."""
        before = tuple(data.of_first(tasks) for data in self.before)
        return Collected(before, self.after.of_first(tasks), None if self.credit is None else self.credit[:tasks])


@dataclass(frozen=True)
class Surrogate:
    """The losses of one learner; each of these functions gives a scalar."""

    policy: Policy
    inner: Inner
    likelihood_ratio: bool  # ProMP's inner loss instead of MAML's
    clip: float
    inner_divergence: float  # weight of ProMP's KL before adapting

    def inner_loss(self, parameters: Parameters, data: Experience) -> Tensor:
        """Give what the inner loop descends (M,)."""
        loss = ratio_loss if self.likelihood_ratio else likelihood_loss
        return loss(self.policy, parameters, data)

    def adapted(self, meta: Parameters, data: Sequence[Experience], tasks: int) -> Parameters:
        """Adapt to the data again."""
        return adapt(self.inner, self.inner_loss, meta, data, tasks)

    def ratio(self, meta: Parameters, seen: Collected) -> Tensor:
        """Give TRPO's loss after adapting."""
        adapted = self.adapted(meta, seen.before, seen.after.tasks)
        return ratio_loss(self.policy, adapted, seen.after).mean() + self._exploration(meta, seen)

    def moved(self, meta: Parameters, seen: Collected) -> Tensor:
        """Give how far the adapted policies have moved from those that acted: the mean KL."""
        return divergence(self.policy, self.adapted(meta, seen.before, seen.after.tasks), seen.after).mean()

    def clipped(self, meta: Parameters, seen: Collected) -> Tensor:
        """Give PPO's loss after adapting; for ProMP with its penalty for moving before adapting."""
        parameters = stack(initial_of(meta), seen.after.tasks)
        penalty = seen.after.weights.new_zeros(())
        for data in seen.before:
            if self.likelihood_ratio:
                penalty = penalty + self.inner_divergence * divergence(self.policy, parameters, data).mean()
            parameters = inner_step(self.inner, self.inner_loss, meta, parameters, data)
        loss = clipped_loss(self.policy, parameters, seen.after, self.clip).mean()
        return loss + penalty + self._exploration(meta, seen)

    def clipped_gradient(self, meta: Parameters, seen: Collected) -> tuple[Tensor, Parameters]:
        """Give `clipped` and its gradient."""
        return outer_gradient(lambda leaves: self.clipped(leaves, seen), meta)

    def _exploration(self, meta: Parameters, seen: Collected) -> Tensor | float:
        """Give E-MAML's term: what was done before adapting is as good as what adapting to it achieved.

        Standardised, as the advantages are, so that both terms are of one scale.
        """
        if seen.credit is None:
            return 0.0
        first = seen.before[0]
        credited = replace(first, advantages=seen.credit[:, None].expand_as(first.advantages))
        return ratio_loss(self.policy, stack(initial_of(meta), first.tasks), credited).mean()
