"""Runs under the published settings: what a fixed push makes of scores, and POET without transfer."""

import pytest
from runs import TOY_SETTINGS, dump, evolved, history_of

from environments.domain import Outcome, find_domain
from evolution.noise import fixed_episode_seeds
from poet.archive.inspection import summary
from poet.archive.reading import reading
from poet.config import build
from poet.records import Decision, Origin
from transfer.tournament import Kind


def run(folder, **settings):
    return evolved(folder, {**TOY_SETTINGS, **settings})


FIXED = build({**TOY_SETTINGS, "push": "fixed", "score_episodes": 5, "iterations": 60}, "toy")
ALONE = build({**TOY_SETTINGS, "transfer": {"every": 3, "rule": "none"}, "iterations": 60}, "toy")


@pytest.fixture(scope="module")
def fixed():
    return history_of(FIXED)


@pytest.fixture(scope="module")
def alone():
    return history_of(ALONE)


def test_a_score_is_the_one_episode_that_there_is_and_counted_once(fixed):
    domain = find_domain("toy")
    for _, journal, after in fixed:
        assert journal.tally.episodes["score"] == len(journal.scores)
        for pair, record in zip(after.pairs, journal.scores, strict=True):
            assert sum(record.outcomes) == 1
            moved = any(each.target == record.niche and each.winner for each in journal.transfers)
            if not moved:
                environment = pair.niche.environment
                seeds = fixed_episode_seeds(environment.seed, 1)
                exact = domain.rollout(pair.learner.theta.astype("f4")[None], environment, seeds, episode_limit=10)
                assert record.score == exact.returns[0]


def test_niches_are_solved_by_their_one_episode(fixed):
    solved = {pair.niche.id: pair.solved for *_, after in fixed for pair in after.pairs if pair.solved is not None}
    assert solved
    for _, journal, _ in fixed:
        for record in journal.scores:
            if record.outcomes[Outcome.FINISHED] == 1 and record.score >= 195:
                assert solved[record.niche] <= journal.iteration


def test_the_number_of_episodes_makes_no_difference_under_a_fixed_push(tmp_path):
    five = run(tmp_path / "five", push="fixed", score_episodes=5)
    one = run(tmp_path / "one", push="fixed", score_episodes=1)
    ours, theirs = dump(five), dump(one)
    assert len(ours["transfer"]) > 10
    for name, rows in theirs.items():
        if name not in ("run", "checksum"):  # hold the settings, which differ, and their checksum
            assert ours[name] == rows, name
    with reading(five) as connection:
        cost = summary(connection)["transfer_episodes"]
    # The original rule's price is that of the episodes it would have run.
    assert cost["spent"] == cost["original_rule"]


def test_without_transfer_nobody_moves_and_children_begin_with_their_parents_agent_as_it_is(alone):
    births = 0
    for before, journal, _ in alone:
        assert not journal.transfers
        assert {kept.origin for kept in journal.agents} <= {Origin.ADMITTED, Origin.CHECKPOINT, Origin.RETIRED}
        agents = {pair.niche.id: pair.learner.theta for pair in before.pairs}
        for record in journal.children:
            for candidate in record.candidates:
                assert (candidate.source, candidate.kind) == (record.parent, Kind.DIRECT)
                assert (candidate.theta == agents[record.parent]).all()
            births += record.decision is Decision.ADMITTED
    assert births > 2


def test_views_of_a_run_without_transfer_say_that_there_was_none(tmp_path):
    folder = run(tmp_path / "alone", transfer={"every": 3, "rule": "none"}, iterations=20)
    with reading(folder) as connection:
        figures = summary(connection)
    assert figures["transfers"]["attempts"] == 0
    assert "transfer" not in figures["episodes"]
