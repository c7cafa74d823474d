"""How a stretch of iterations is learned through: every active pair steps and is scored, all of them side by side.

A pair waits for no other: its next step begins when its last is done, and what runs ahead changes no result. Here
is what that takes, so that the outer loop need not know of it: all episodes are with the evaluator at once, in chains
of what waits for what, with what is run first and a count of what each iteration cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from environments.domain import Rollouts
from evolution.chains import Chain
from evolution.evaluator import Evaluator, Tally
from evolution.optimisers.asking import Asking
from evolution.optimisers.optimiser import Figures, Optimiser, State
from poet.phases import Phase
from poet.population import Pair


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What a step made of an agent, and how the agent then did in its own environment."""

    state: State
    figures: Figures
    own: Rollouts


@dataclass(frozen=True, slots=True, eq=False)
class _Iteration:
    """What the chains of one iteration have in common."""

    number: int
    evaluator: Evaluator
    optimiser: Optimiser
    episodes: int  # of a score
    tally: Tally

    async def step(self, pair: Pair, before: Chain[tuple[State, Figures]] | None) -> tuple[State, Figures]:
        """Take a step in a pair's environment, after the one before."""
        state = pair.learner if before is None else (await before)[0]
        ask = Asking(
            key=(Phase.OPTIMISE, self.number, pair.niche.id),
            simulation=self.evaluator.simulation,
            evaluator=self.evaluator,
            purpose="optimise",
            urgency=1 + self.number,
            tally=self.tally,
        )
        return await self.optimiser.step(state, pair.niche.environment, ask)

    async def score(self, pair: Pair, step: Chain[tuple[State, Figures]]) -> Rollouts:
        """Score the agent that a step led to, which the next step does not wait for."""
        state, _ = await step
        environment = pair.niche.environment
        request = self.evaluator.score_request(state.theta, environment, score_key(pair, self.number), self.episodes)
        return await self.evaluator.rollouts("score", request, tally=self.tally)


def learn(
    pairs: Sequence[Pair], optimiser: Optimiser, evaluator: Evaluator, iterations: Sequence[int], episodes: int
) -> Iterator[list[Learned]]:
    """Let every pair take one step an iteration, and score it after each.

    Args:
        pairs: as they stand before the first iteration.
        optimiser: whose steps they take.
        evaluator: where episodes run, and where each iteration's are counted when it is given.
        iterations: their numbers.
        episodes: averaged in a score.

    Yields:
        For each iteration what became of the pairs, in their order, as soon as all have done it.
    """
    whole = len(iterations) * len(pairs) * (optimiser.episodes + episodes)
    rounds = [_Iteration(number, evaluator, optimiser, episodes, Tally()) for number in iterations]
    with evaluator.side_by_side("optimise", whole) as flow:
        chains: dict[tuple[int, int], tuple[Chain[tuple[State, Figures]], Chain[Rollouts]]] = {}
        for place, pair in enumerate(pairs):
            step = None
            for each in rounds:
                step = flow.start(each.step(pair, step))
                chains[place, each.number] = step, flow.start(each.score(pair, step))
        for each in rounds:
            done = [chains.pop((place, each.number)) for place in range(len(pairs))]
            learned = [Learned(*flow.wait(step), flow.wait(own)) for step, own in done]
            evaluator.tally.absorb(each.tally)
            yield learned


def score_key(pair: Pair, iteration: int) -> tuple[int, ...]:
    """Name the episodes of a pair's own score in an iteration."""
    return (Phase.SCORE, iteration, pair.niche.id)
