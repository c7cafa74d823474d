"""What `python -m benchmarks.pata_ec_ties` counts: sharing ranks matters exactly where scores are clipped."""

import json

import numpy as np

from benchmarks import pata_ec_ties
from benchmarks.pata_ec_ties import AGENTS, CRITERION, by_place, draw, same
from evolution.novelty import pata_ec


def test_without_ties_both_measures_are_one():
    scores = draw(0.0, 0.5, np.random.default_rng(1))
    np.testing.assert_allclose(by_place(scores, CRITERION), pata_ec(scores, CRITERION), atol=1e-12)
    assert same(0.0, 0.5, 20) == 1.0


def test_the_drawn_share_is_clipped_and_on_the_side_that_was_asked_for():
    for below in (0.5, 1.0):
        scores = draw(0.3, below, np.random.default_rng(2))
        assert abs((scores < 0).mean() - 0.3 * below) < 0.01
        assert abs((scores > 1).mean() - 0.3 * (1 - below)) < 0.01


def test_equals_are_told_apart_by_place_alone():
    scores = np.full((AGENTS, 2), -1.0)
    assert len(set(by_place(scores, CRITERION)[0])) == AGENTS
    assert set(pata_ec(scores, CRITERION)[0]) == {0.0}


def test_at_30_percent_clipped_the_choice_is_often_another():
    assert 0.5 < same(0.3, 1.0, 120) < 0.8


def test_the_command_says_so(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pata_ec_ties", "--draws", "3", "--json"])
    pata_ec_ties.main()
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 2 * len(pata_ec_ties.SHARES)
    assert all(row["same"] == 1.0 for row in rows if row["clipped"] == 0)
