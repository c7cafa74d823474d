"""What a mover goes on with and what it must show first, on the toy domain: `transfer.restart`, `transfer.confirm`."""

import sqlite3

import numpy as np
import pytest
from runs import TOY_SETTINGS, assert_equal_archives, history_of

from cluster.executor import InProcess
from environments.domain import find_domain
from evolution.evaluator import Evaluator
from evolution.noise import episode_seeds
from poet.config import build
from poet.errors import InputError
from poet.phases import Phase
from poet.population import first_population
from transfer.confirmation import Rematch, confirm
from transfer.tournament import Candidate, Kind, Target, Tournament


def toy(**transfer):
    es = {**TOY_SETTINGS["es"], "sigma_decay": 0.97, "sigma_floor": 0.03, "step_size_decay": 0.97}
    return build({**TOY_SETTINGS, "es": es, "transfer": {"every": 3, **transfer}}, "toy")


def moves_of(history):
    """Every accepted move: the state before its iteration, its journal, the target's learner after it, the winner."""
    for before, journal, after in history:
        learners = {pair.niche.id: pair.learner for pair in after.pairs}
        for record in journal.transfers:
            if record.winner is not None:
                yield before, journal, learners[record.target], record


def step_of(journal, niche):
    (score,) = [score for score in journal.scores if score.niche == niche]
    return score.figures


@pytest.mark.parametrize("restart", ["full", "keep", 0.5, 0.0, 1.0])
def test_a_mover_goes_on_with_what_the_setting_says(restart):
    config = toy(restart=restart)
    moves = list(moves_of(history_of(config)))
    assert len(moves) >= 3
    for before, journal, learner, record in moves:
        np.testing.assert_array_equal(learner.theta, record.winner.theta)
        parts = learner.parts
        if restart == "keep":
            source = step_of(journal, record.winner.source)
            own = {pair.niche.id: pair.learner.parts["updates"] for pair in before.pairs}.get(record.winner.source)
            assert (parts["sigma"], parts["step_size"]) == (source["sigma"], source["step_size"])
            assert own is None or parts["updates"] == own + 1
            assert np.abs(parts["second_moment"]).max() > 0
        else:
            fraction = 1.0 if restart == "full" else restart
            assert parts["sigma"] == max(0.1 * fraction, 0.03)
            assert parts["step_size"] == max(0.03 * fraction, 0.001)
            assert parts["updates"] == 0
            assert not parts["first_moment"].any()
            assert not parts["second_moment"].any()


@pytest.mark.parametrize("restart", ["full", "keep", 0.5])
def test_an_agent_admitted_to_a_new_niche_restarts_by_the_same_rule(restart):
    found = 0
    for before, journal, after in history_of(toy(restart=restart)):
        for child in journal.children:
            if child.niche is None or child.niche not in {pair.niche.id for pair in after.pairs}:
                continue
            # The iteration that admits it takes its first step there, which lets sigma decay once.
            taken = step_of(journal, child.niche)
            source = max(child.candidates, key=lambda candidate: candidate.score).source
            learner = next(pair.learner for pair in before.pairs if pair.niche.id == source)
            begun = {"full": 0.1, "keep": learner.parts["sigma"], 0.5: 0.05}[restart]
            assert taken["sigma"] == pytest.approx(max(begun * 0.97, 0.03))
            found += 1
    assert found >= 3


def test_a_fraction_of_one_is_the_full_restart():
    full, one = history_of(toy(restart="full")), history_of(toy(restart=1.0))
    for (*_, ours), (*_, theirs) in zip(full, one, strict=True):
        for pair, twin in zip(ours.pairs, theirs.pairs, strict=True):
            np.testing.assert_array_equal(pair.learner.theta, twin.learner.theta)


@pytest.mark.parametrize("rule", ["original", "improved"])
def test_a_confirmed_winner_is_ahead_again_on_episodes_that_chose_nobody(rule):
    config = toy(confirm=3, rule=rule)
    domain, verdicts = find_domain("toy"), []
    for _, journal, after in history_of(config):
        scores = {pair.niche.id: pair.score for pair in after.pairs}
        places = {niche.id: niche.environment for niche in after.niches}
        for record in journal.transfers:
            again = [candidate for candidate in record.candidates if candidate.kind is Kind.CONFIRMED]
            if not again:
                assert record.winner is None
                continue
            challenger, incumbent = again
            assert incumbent.source == record.target != challenger.source
            seeds = episode_seeds(config.seed, (Phase.CONFIRM, journal.iteration, record.target), 0, 3)
            for each in again:
                thetas = np.tile(each.theta.astype(np.float32), (3, 1))
                played = domain.rollout(thetas, places[record.target], seeds, episode_limit=10)
                assert each.score == played.returns.mean()
            ahead = challenger.score > incumbent.score
            assert (record.winner is not None) == ahead
            if ahead:
                assert scores[record.target] == challenger.score
            verdicts.append(ahead)
    assert verdicts.count(True) >= 2


def test_a_winner_by_luck_is_turned_away_and_a_better_one_let_in():
    config = toy()
    (pair,) = first_population(config).pairs
    goal = np.array(pair.niche.environment.genome["target"])
    near, far = goal + 0.1, goal + 0.5
    target = Target(pair.niche.environment, pair.learner, (), (0,), (0,), 2)

    def meet(challenger, incumbent):
        lucky = Candidate(1, Kind.DIRECT, challenger, 999.0)
        rematch = Rematch(Tournament([lucky], lucky), target, 0, incumbent, (7,))
        (result,) = confirm(Evaluator(config.simulation(), InProcess()), "transfer", [rematch], 2)
        return result

    turned_away, let_in, equal = meet(far, near), meet(near, far), meet(near, near)
    assert turned_away.winner is None
    assert equal.winner is None
    assert let_in.winner is not None
    assert let_in.mover_score == pytest.approx(200 - 100 * 3 * 0.1**2, abs=1)
    for result in (turned_away, let_in, equal):
        assert [each.kind for each in result.candidates] == [Kind.DIRECT, Kind.CONFIRMED, Kind.CONFIRMED]


def test_a_run_with_both_resumes_to_the_archive_of_one_unbroken(tmp_path, poet):
    line = ("--config", tmp_path / "toy.toml", "--workers", 1)
    (tmp_path / "toy.toml").write_text(toy(restart="keep", confirm=2).to_toml(), encoding="utf-8")
    assert poet("evolve", tmp_path / "whole", *line).returncode == 0
    for iterations in (10, 23, 36):
        done = poet("evolve", tmp_path / "broken", *line, "--iterations", iterations)
        assert done.returncode == 0, done.stderr
    assert_equal_archives(tmp_path / "broken", tmp_path / "whole")
    connection = sqlite3.connect(tmp_path / "whole" / "archive.sqlite")
    ((confirmed,),) = connection.execute("SELECT count(*) FROM proposal WHERE kind = 'confirmed'")
    connection.close()
    assert confirmed > 0
    assert confirmed % 2 == 0


@pytest.mark.parametrize(
    ("transfer", "message"),
    [
        ({"restart": "half"}, "transfer.restart is 'half'; it must be full, keep or a number in \\[0, 1\\]"),
        ({"restart": 1.5}, "transfer.restart is 1.5; it must be full, keep or a number"),
        ({"restart": True}, "transfer.restart is True; it must be text or a number"),
        ({"confirm": -1}, "transfer.confirm is -1; it must be in"),
        ({"confirm": True}, "transfer.confirm is True; it must be a whole number"),
    ],
)
def test_wrong_values_are_refused_by_name_and_range(transfer, message):
    with pytest.raises(InputError, match=message):
        build({"transfer": transfer}, "here")
