"""The problems with known answers: the anchors computed anew, and the learners in the short form."""

import json
import subprocess
import sys
from functools import cache

import pytest

from benchmarks.known_answers import bandits


@cache
def bayes_optimum(pulls, posteriors):
    """Expected reward of the best strategy from Beta posteriors, a pair of wins and losses for each arm."""
    if pulls == 0:
        return 0.0
    best = 0.0
    for arm, (wins, losses) in enumerate(posteriors):
        if arm and posteriors[arm] == posteriors[arm - 1]:
            continue  # equal arms are worth the same
        rest = posteriors[:arm] + posteriors[arm + 1 :]
        won = tuple(sorted((*rest, (wins + 1, losses))))
        lost = tuple(sorted((*rest, (wins, losses + 1))))
        chance = (wins + 1) / (wins + losses + 2)
        value = chance * (1 + bayes_optimum(pulls - 1, won)) + (1 - chance) * bayes_optimum(pulls - 1, lost)
        best = max(best, value)
    return best


@pytest.mark.parametrize(("pulls", "arms", "value"), [(1, 5, 0.5), (2, 1, 1.0), (2, 2, 13 / 12), (5, 5, 3.0521)])
def test_the_dynamic_programme_gives_what_is_known(pulls, arms, value):
    assert bayes_optimum(pulls, ((0, 0),) * arms) == pytest.approx(value, abs=5e-5)


def test_the_bandits_target_is_the_exact_bayes_optimum():
    assert bayes_optimum(bandits.PULLS, ((0, 0),) * bandits.ARMS) == pytest.approx(bandits.OPTIMUM, abs=5e-5)


def test_bandits_in_short_are_played_better_than_by_chance_and_no_better_than_is_possible():
    command = [sys.executable, "-m", "benchmarks.known_answers", "bandits", "--short", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    chance, learnt = json.loads(done.stdout)
    assert chance["measured"] == pytest.approx(chance["target"], abs=0.05)
    assert 5.4 < learnt["measured"] < bandits.OPTIMUM + 0.05
    assert (learnt["better"], learnt["target"]) == ("higher", pytest.approx(0.98 * bandits.OPTIMUM))


@pytest.mark.slow
def test_processes_in_short_pay_what_they_should_to_chance_and_to_who_knows_them():
    command = [sys.executable, "-m", "benchmarks.known_answers", "mdps", "--short", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    chance, oracle, learnt = json.loads(done.stdout)
    assert chance["measured"] == pytest.approx(chance["target"], abs=1.5)
    assert oracle["measured"] == pytest.approx(oracle["target"], abs=1.5)
    assert chance["measured"] - 2 < learnt["measured"] < oracle["measured"]
