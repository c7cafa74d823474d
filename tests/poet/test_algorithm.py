"""The outer loop on the toy domain, checked against the rules of the paper."""

from dataclasses import replace

import numpy as np
import pytest
from runs import TOY_SETTINGS, history_of

from cluster.executor import InProcess
from environments.domain import find_domain
from evolution.evaluator import Evaluator
from evolution.minimal_criterion import MinimalCriterion
from poet.algorithm import evolve, stretch
from poet.config import build
from poet.records import Decision, Origin
from transfer.tournament import best


@pytest.fixture(scope="module")
def history():
    """A toy run: the population before each iteration, its journal, the population after it."""
    config = build({**TOY_SETTINGS, "iterations": 80}, "toy")
    return config, history_of(config)


def test_agents_learn(history):
    _, steps = history
    assert steps[0][2].pairs[0].score < 150
    assert steps[20][2].pairs[0].best.score > 190
    assert max(pair.best.score for *_, after in steps for pair in after.pairs) > 198


def test_environments_reproduce_only_when_due_and_a_parent_is_good_enough(history):
    config, steps = history
    born = [journal.iteration for _, journal, _ in steps if journal.children]
    assert born
    assert all(iteration > 0 and iteration % config.reproduction.every == 0 for iteration in born)
    for before, journal, _ in steps:
        scores = {pair.niche.id: pair.score for pair in before.pairs}
        assert all(scores[child.parent] >= config.reproduction.parent_score for child in journal.children)
        assert len(journal.children) in (0, config.reproduction.children)


def test_admitted_environments_meet_the_minimal_criterion_twice(history):
    config, steps = history
    admitted = [child for _, journal, _ in steps for child in journal.children if child.niche is not None]
    assert len(admitted) >= 4
    for child in admitted:
        assert config.minimal_criterion.lower <= child.parent_score <= config.minimal_criterion.upper
        assert config.minimal_criterion.lower <= best(child.candidates).score <= config.minimal_criterion.upper


def test_refused_environments_break_the_rule_that_is_named(history):
    config, steps = history
    criterion = config.minimal_criterion
    refused = [child for _, journal, _ in steps for child in journal.children if child.niche is None]
    assert {child.decision for child in refused} >= {Decision.TOO_HARD, Decision.OUTRANKED}
    for child in refused:
        if child.decision is Decision.TOO_HARD:
            assert child.parent_score < criterion.lower
        if child.decision is Decision.TOO_EASY:
            assert child.parent_score > criterion.upper
        if child.decision is Decision.TRANSFER_TOO_EASY:
            assert best(child.candidates).score > criterion.upper


def test_the_most_novel_child_is_tried_first(history):
    _, steps = history
    for _, journal, _ in steps:
        tried = [child.novelty for child in journal.children if child.candidates]
        passed_over = [child.novelty for child in journal.children if child.decision is Decision.OUTRANKED]
        assert not passed_over or min(tried) >= max(passed_over)


def test_novelty_is_measured_against_every_niche_there_ever_was(history):
    config, steps = history
    encoding = config.make_encoding()
    for before, journal, _ in steps:
        archive = [encoding.vector(niche.environment.genome) for niche in before.niches]
        for child in journal.children:
            if child.novelty is not None:
                vector = encoding.vector(child.environment.genome)
                distances = sorted(float(np.linalg.norm(vector - other)) for other in archive)[:5]
                assert child.novelty == pytest.approx(np.mean(distances))


def test_capacity_holds_and_the_oldest_retire(history):
    config, steps = history
    retired = [pair.niche.id for _, journal, _ in steps for pair in journal.retired]
    assert retired == sorted(retired)
    assert retired
    for before, journal, after in steps:
        assert len(after.pairs) <= config.reproduction.capacity
        gone = [pair.niche.id for pair in journal.retired]
        remaining = [pair.niche.id for pair in before.pairs if pair.niche.id not in gone]
        assert [pair.niche.id for pair in after.pairs][: len(remaining)] == remaining


def test_transfers_accept_the_best_candidate_just_when_it_beats_the_incumbent(history):
    config, steps = history
    seen = {True: 0, False: 0}
    for _, journal, after in steps:
        assert bool(journal.transfers) <= (journal.iteration % config.transfer.every == 0)
        pairs = {pair.niche.id: pair for pair in after.pairs}
        for record in journal.transfers:
            highest = max(candidate.score for candidate in record.candidates)
            seen[record.winner is not None] += 1
            assert (record.winner is not None) == (highest > record.incumbent_score)
            if record.winner:
                served = pairs[record.target]
                assert served.score == highest
                np.testing.assert_array_equal(served.learner.theta, record.winner.theta)
                parts = served.learner.parts
                assert (parts["sigma"], parts["step_size"]) == (config.es.sigma, config.es.step_size)
                assert parts["updates"] == 0
                assert not parts["first_moment"].any()
                assert not parts["second_moment"].any()
    assert min(seen.values()) > 0


def test_every_agent_is_tried_in_every_other_environment_both_ways(history):
    _, steps = history
    for _, journal, after in steps:
        ids = {pair.niche.id for pair in after.pairs}
        for record in journal.transfers:
            tried = {(candidate.source, candidate.kind) for candidate in record.candidates}
            assert tried == {(n, kind) for n in ids - {record.target} for kind in ("direct", "fine-tuned")}


def test_scores_are_the_domains_own(history):
    _, steps = history
    _, journal, after = steps[7]
    pair = after.pairs[0]
    moved = {record.target for record in journal.transfers if record.winner}
    assert pair.niche.id not in moved
    theta = pair.learner.theta.astype(np.float32)[None]
    seeds = np.zeros(1, dtype=np.uint64)
    exact = find_domain("toy").rollout(theta, pair.niche.environment, seeds).returns[0]
    assert 0 <= journal.scores[0].score - exact < 1  # the toy's noise


def test_replaced_and_retired_agents_are_kept(history):
    _, steps = history
    origins = [record.origin for _, journal, _ in steps for record in journal.agents]
    moves = sum(record.winner is not None for _, journal, _ in steps for record in journal.transfers)
    assert origins.count(Origin.MOVED_OUT) == origins.count(Origin.MOVED_IN) == moves
    assert origins.count(Origin.RETIRED) == sum(len(journal.retired) for _, journal, _ in steps)
    assert origins.count(Origin.CHECKPOINT) > 0


def test_iteration_is_a_function_of_population_and_settings(history):
    config, steps = history
    before, journal, after = steps[12]
    again, second = next(evolve(before, config, Evaluator(config.simulation(), InProcess())))
    assert [pair.score for pair in again.pairs] == [pair.score for pair in after.pairs]
    for ours, theirs in zip(again.pairs, after.pairs, strict=True):
        np.testing.assert_array_equal(ours.learner.theta, theirs.learner.theta)
    assert second.tally == journal.tally


def test_diverged_episodes_are_counted_and_survived(history):
    config, steps = history
    before = steps[5][0]
    sick = replace(before.pairs[0], learner=replace(before.pairs[0].learner, theta=np.full(3, np.nan)))
    population = replace(before, pairs=(sick, *before.pairs[1:]))
    after, journal = next(evolve(population, config, Evaluator(config.simulation(), InProcess())))
    assert journal.tally.diverged >= 2 * config.es.pairs
    assert after.pairs[0].score == -100


def test_tally_counts_every_episode(history):
    config, steps = history
    for before, journal, _ in steps:
        if not journal.children and not journal.transfers:
            active = len(before.pairs)
            assert journal.tally.episodes["optimise"] == 2 * config.es.pairs * active
            assert journal.tally.episodes["score"] == config.score_episodes * active
            assert sum(journal.tally.steps.values()) == 10 * sum(journal.tally.episodes.values())


def advance(history, at, **changes):
    """Run the iteration before which the history stood `at`, with changed settings."""
    config, steps = history
    changed = replace(config, **changes)
    return next(evolve(steps[at][0], changed, Evaluator(changed.simulation(), InProcess())))


def reproducing(config, **changes):
    return replace(config.reproduction, every=1, **changes)


def test_children_that_are_too_easy_for_the_best_agent_are_refused(history):
    config, _ = history
    # Parents' agents score about 190: a ceiling in between passes some at first and fails their best agents.
    criterion = MinimalCriterion(lower=0.0, upper=170.0)
    decisions = {Decision.TOO_EASY: 0, Decision.TRANSFER_TOO_EASY: 0}
    for at in range(20, 60):
        reproduction = reproducing(config, children=12)
        _, journal = advance(history, at, minimal_criterion=criterion, reproduction=reproduction)
        for child in journal.children:
            if child.decision in decisions:
                decisions[child.decision] += 1
                judged = child.parent_score if child.decision is Decision.TOO_EASY else best(child.candidates).score
                assert judged > 170
            if child.niche is not None:
                assert best(child.candidates).score <= 170
    assert min(decisions.values()) > 0


def test_children_like_an_active_environment_are_refused_as_duplicates(history):
    config, _ = history
    still = replace(config.encoding, options={"step": 0.0})
    _, journal = advance(history, 20, encoding=still, reproduction=reproducing(config))
    assert {child.decision for child in journal.children} == {Decision.DUPLICATE}


def test_candidates_and_incumbent_meet_the_same_episodes(history):
    # A visitor that is the incumbent itself must score just what the incumbent scored.
    config, steps = history
    at = next(i for i, (before, journal, _) in enumerate(steps) if journal.transfers and len(before.pairs) > 1)
    before = steps[at][0]
    frozen = replace(config.es, step_size=0.0, step_size_floor=0.0)
    twins = tuple(replace(pair, learner=before.pairs[0].learner) for pair in before.pairs)
    still = replace(config, es=frozen, reproduction=replace(config.reproduction, every=10**6))
    learners = tuple(
        replace(pair, learner=replace(pair.learner, parts={**pair.learner.parts, "step_size": np.zeros(())}))
        for pair in twins
    )
    _, journal = next(evolve(replace(before, pairs=learners), still, Evaluator(still.simulation(), InProcess())))
    assert journal.transfers
    for record in journal.transfers:
        direct = [candidate.score for candidate in record.candidates if candidate.kind == "direct"]
        assert direct == [record.incumbent_score] * len(direct)
        assert record.winner is None


def test_niche_is_solved_when_all_its_episodes_finish_with_enough_and_stays_so(history):
    _, steps = history
    solved = {}
    for _, journal, after in steps:
        for record in journal.scores:
            if record.outcomes[0] == 2 and record.score >= 195:
                solved.setdefault(record.niche, journal.iteration)
        for pair in after.pairs:
            assert pair.solved == solved.get(pair.niche.id)
    assert solved
    assert len(solved) < len(steps[-1][2].niches)


def test_several_children_can_be_admitted_at_once_and_none_twice(history):
    config, _ = history
    reproduction = reproducing(config, admitted=3, capacity=10, children=12)
    after, journal = advance(history, 40, reproduction=reproduction)
    assert len(journal.admitted) == 3
    genomes = [str(pair.niche.environment.genome) for pair in after.pairs]
    assert len(set(genomes)) == len(genomes)


class HastyWorkers(InProcess):
    """Runs what was submitted last, whatever is urgent: pairs run ahead of each other as far as they can."""

    def submit(self, items, urgency=0):
        self.latest = getattr(self, "latest", 0) - 1
        return super().submit(items, self.latest)


def test_pairs_that_run_ahead_change_nothing(history):
    config, steps = history
    before = steps[40][0]
    assert len(before.pairs) > 1
    alone = replace(
        config,
        iterations=before.iteration + 6,
        transfer=replace(config.transfer, every=10**6),
        reproduction=replace(config.reproduction, every=10**6),
    )
    assert len(stretch(before.iteration, alone)) == 6
    runs = [
        list(evolve(before, alone, Evaluator(alone.simulation(), workers))) for workers in (InProcess(), HastyWorkers())
    ]
    assert len(runs[0]) == len(runs[1]) == 6
    for (ours, journal), (theirs, other) in zip(*runs, strict=True):
        assert journal.scores == other.scores
        assert journal.tally == other.tally
        for pair, twin in zip(ours.pairs, theirs.pairs, strict=True):
            np.testing.assert_array_equal(pair.learner.theta, twin.learner.theta)


@pytest.mark.parametrize("first", [0, 1, 4, 7, 9, 10, 78, 79])
def test_stretch_ends_where_pairs_meet(history, first):
    config = replace(
        history[0],
        transfer=replace(history[0].transfer, every=9),
        reproduction=replace(history[0].reproduction, every=4),
    )
    expected = min(
        iteration
        for iteration in range(first, 80)
        if (iteration and iteration % 9 == 0) or (iteration + 1) % 4 == 0 or iteration == 79
    )
    assert stretch(first, config) == range(first, expected + 1)
