"""Enhanced POET's measure of novelty and rule of transfer within the outer loop, on the toy domain."""

import json
import sqlite3
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from runs import TOY_SETTINGS, assert_equal_archives, dump, evolved, history_of

from cluster.processes import Processes
from environments.domain import find_domain
from evolution.noise import episode_seeds
from poet.archive.inspection import metrics, summary
from poet.archive.reading import reading
from poet.config import build
from poet.export.scores import score_rows
from poet.phases import Phase
from poet.population import Archived

ENHANCED = {
    **TOY_SETTINGS,
    "minimal_criterion": {"lower": 50.0, "upper": 180.0},
    "reproduction": {**TOY_SETTINGS["reproduction"], "novelty": "pata-ec", "whole_archive": True},
    "transfer": {"every": 3, "rule": "improved"},
}


def run(folder, iterations, executor=None):
    """Start a run, or go on with it."""
    return evolved(folder, {**ENHANCED, "iterations": 100}, iterations, executor)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("enhanced") / "run", 100)


@pytest.fixture(scope="module")
def history():
    config = build({**ENHANCED, "iterations": 100}, "toy")
    return config, history_of(config)


def ask(folder, query):
    connection = sqlite3.connect(folder / "archive.sqlite")
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def test_run_resumed_again_and_again_equals_the_unbroken_one(tmp_path, whole):
    folder = tmp_path / "run"
    for iterations in (1, 9, 10, 26, 61, 100):
        run(folder, iterations)
    assert_equal_archives(folder, whole)


def test_exported_scores_under_one_key_are_of_one_agent(tmp_path):
    """Those of four environments and more determine the toy's agent, so that a mixture of two does not fit."""
    busy = {**ENHANCED, "iterations": 48, "transfer": {"every": 1, "rule": "improved"}}
    whole = evolved(tmp_path / "run", busy, 48, None)
    known = "SELECT environment, genome FROM niche UNION SELECT environment, genome FROM child"
    targets = {name: json.loads(genome)["target"] for name, genome in ask(whole, known)}
    scored, kinds = defaultdict(list), set()
    with reading(whole) as connection:
        for row in score_rows(connection):
            key = row["iteration"], row["agent"], row["moved"]
            scored[key].append((*targets[row["environment"]], row["score"]))
            kinds.add(row["moved"])
    assert kinds == {False, True}
    checked = 0
    for rows in scored.values():
        places, scores = np.array(rows)[:, :3], np.array(rows)[:, 3]
        # 200 - 100 |theta - target|^2 and noise within [0, 1], linear in |theta|^2 and theta.
        unknowns = np.column_stack([np.ones(len(rows)), -2 * places])
        wanted = (200 - scores) / 100 - (places**2).sum(axis=1)
        found, _, rank, _ = np.linalg.lstsq(unknowns, wanted)
        if rank == 4:
            checked += 1
            assert np.abs(unknowns @ found - wanted).max() < 0.01
    assert checked > 20


def test_archive_does_not_depend_on_the_number_of_workers(tmp_path, whole):
    executor = Processes(3)
    try:
        folder = run(tmp_path / "run", 100, executor)
    finally:
        executor.close()
    assert_equal_archives(folder, whole)


def test_novelty_is_that_of_the_paper_computed_by_hand(history):
    """Every agent there ever was, in every niche and candidate: clipped, ranked, five nearest."""
    config, steps = history
    domain, low, high = find_domain("toy"), config.minimal_criterion.lower, config.minimal_criterion.upper
    retired, measured = [], 0
    for before, journal, _ in steps:
        agents = [*(pair.learner.theta for pair in before.pairs), *retired]

        def place(environment, agents=agents):
            seeds = episode_seeds(config.seed, (Phase.PERFORMANCE, int(environment.id, 16)), 0, 2)
            scores = [
                domain.rollout(np.stack([theta] * 2).astype(np.float32), environment, seeds).returns.mean()
                for theta in agents
            ]
            clipped = [min(max(score, low), high) for score in scores]
            ranks = [sum(x < y for x in clipped) + (clipped.count(y) - 1) / 2 for y in clipped]
            return np.array([rank / max(len(agents) - 1, 1) - 0.5 for rank in ranks])

        archive = [place(niche.environment) for niche in before.niches]
        for child in journal.children:
            if child.novelty is not None:
                here = place(child.environment)
                distances = sorted(float(np.linalg.norm(here - other)) for other in archive)[:5]
                assert child.novelty == pytest.approx(np.mean(distances), abs=1e-12)
                measured += len(agents) > 3
        retired += [pair.learner.theta for pair in journal.retired]
    assert measured > 10


def test_only_what_is_new_is_evaluated(whole):
    """Of retired agents in old niches nothing is run again, and every asked-for score is either new or known."""
    pairings, reused = ask(whole, "SELECT sum(pairings), sum(reused) FROM reuse")[0]
    (new,) = ask(whole, "SELECT count(*) FROM performance")[0]
    (episodes,) = ask(whole, "SELECT sum(episodes) FROM cost WHERE purpose IN ('novelty', 'annecs')")[0]
    assert pairings == new + reused
    assert episodes == 2 * new
    assert reused > 100
    with reading(whole) as connection:
        shown = summary(connection)["novelty"]
    expected = ask(whole, "SELECT sum(pairings), sum(reused) FROM reuse WHERE purpose = 'novelty'")[0]
    assert (shown["measure"], shown["pairings"], shown["reused"]) == ("pata-ec", *expected)


def test_winner_is_fine_tuned_and_beats_the_last_five_scores_twice(history):
    _, steps = history
    own, won = {}, 0
    for _, journal, _ in steps:
        for record in journal.scores:
            own.setdefault(record.niche, []).append(record.score)
        for record in journal.transfers:
            threshold = max(own[record.target][-5:])
            direct = {c.source: c.score for c in record.candidates if c.kind == "direct"}
            tuned = {c.source: c.score for c in record.candidates if c.kind == "fine-tuned"}
            assert set(tuned) == {source for source, score in direct.items() if score > threshold}
            passed = {source: score for source, score in tuned.items() if score > threshold}
            if record.winner is None:
                assert not passed
            else:
                won += 1
                assert record.winner.kind == "fine-tuned"
                assert record.winner.score == max(passed.values())
    assert won > 10


def test_transfers_cost_what_was_tried_and_less_than_the_original_rule(whole):
    with reading(whole) as connection:
        figures = summary(connection)["transfer_episodes"]
    tried = dict(ask(whole, "SELECT kind, count(*) FROM proposal GROUP BY kind"))
    assert figures["spent"] == 2 * tried["direct"] + (24 + 2) * tried["fine-tuned"]
    assert figures["original_rule"] == (2 + 24 + 2) * tried["direct"]
    assert figures["spent"] < figures["original_rule"]


def test_annecs_counts_what_challenged_every_agent_ever_and_was_later_solved(history, whole):
    config, steps = history
    final = steps[-1][2]
    ends = {**{p.niche.id: p.solved for p in final.pairs}, **{a.niche.id: a.solved for a in final.archived}}
    low, high = config.minimal_criterion.lower, config.minimal_criterion.upper
    counted = [n.id for n in final.niches if n.archive_score is not None and low <= n.archive_score <= high]
    assert {n.archive_score is None for n in final.niches[1:]} == {False}
    expected = sum(ends[niche] is not None for niche in counted)
    assert expected > 0
    assert final.annecs(config.minimal_criterion) == expected
    with reading(whole) as connection:
        last, total = metrics(connection)[-1], summary(connection)["annecs"]
    assert (last["created"], last["annecs"]) == (len(counted), expected)
    assert total == {"created": len(counted), "created_and_solved": expected}


@pytest.mark.parametrize(
    ("archive_score", "solved", "counts"),
    [(60.0, 7, True), (60.0, None, False), (49.0, 7, False), (181.0, 7, False), (None, 7, False)],
)
def test_annecs_asks_for_both_creation_and_solution(history, archive_score, solved, counts):
    config, steps = history
    final = steps[-1][2]
    pair = replace(final.pairs[0], niche=replace(final.pairs[0].niche, archive_score=archive_score), solved=solved)
    alone = replace(final, pairs=(pair,), archived=())
    assert alone.annecs(config.minimal_criterion) == counts
    retired = replace(final, pairs=(), archived=(Archived(pair.niche, 9, solved, pair.learner.theta),))
    assert retired.annecs(config.minimal_criterion) == counts


def test_best_score_ever_is_at_least_that_of_every_agent_tried(history):
    _, steps = history
    for _, journal, _ in steps:
        for child in journal.children:
            if child.niche is not None:
                assert child.archive_score >= max(candidate.score for candidate in child.candidates)


def test_measuring_against_the_whole_archive_changes_nothing_but_the_cost(tmp_path):
    dumps = []
    for measured in (False, True):
        settings = {**TOY_SETTINGS["reproduction"], "whole_archive": measured}
        dumps.append(dump(evolved(tmp_path / str(measured), {**TOY_SETTINGS, "reproduction": settings})))
    for table in ("agent", "score", "child", "audition", "transfer", "proposal", "pair"):
        assert dumps[0][table] == dumps[1][table], table
    assert not dumps[0]["reuse"]
    assert dumps[1]["reuse"]
