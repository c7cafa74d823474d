"""The estimate of what is left, against runs whose every step was counted."""

from dataclasses import replace

import pytest
from runs import history_of

from poet.config import build, read_preset
from poet.display.estimate import Estimate
from poet.display.live import _Pace
from poet.records import Journal, ScoreRecord, TransferRecord


@pytest.fixture(scope="module")
def fills():
    """A run of the toy, whose episodes are all of one length, that admits whenever it may."""
    settings = {
        "domain": "toy",
        "iterations": 60,
        "episode_limit": 10,
        "score_episodes": 2,
        "es": {"pairs": 12, "sigma": 0.1, "step_size": 0.03},
        "minimal_criterion": {"lower": -1e9, "upper": 1e9},
        "reproduction": {"every": 4, "parent_score": -1e9, "children": 3, "admitted": 1, "capacity": 6},
        "transfer": {"every": 3},
        "encoding": {"name": "target"},
    }
    config = build(settings, "test")
    return config, [journal for _, journal, _ in history_of(config)]


def steps(journals):
    return sum(sum(journal.tally.steps.values()) for journal in journals)


def estimates(config, journals):
    """What is estimated after each iteration, and what was left in truth."""
    estimate = Estimate(config)
    for done, journal in enumerate(journals, start=1):
        estimate.note(journal)
        yield done, estimate.steps_left(done), steps(journals[done:])


def test_a_run_with_one_pair_yet_is_expected_to_take_what_it_takes_once_full(fills):
    config, journals = fills
    assert [len(journal.scores) for journal in journals[:3]] == [1, 1, 1]
    assert len(journals[-1].scores) == 6
    found = list(estimates(config, journals))
    _, first, truth = found[0]
    assert first == pytest.approx(truth, rel=0.1)
    naive = steps(journals[:1]) * (config.iterations - 1)  # as if all iterations were like the latest
    assert naive < truth / 5
    for done, left, truth in found:
        assert left == pytest.approx(truth, rel=0.15), f"after {done}"


def test_nothing_is_left_at_the_end(fills):
    config, journals = fills
    assert list(estimates(config, journals))[-1][1:] == (0, 0)


def test_time_left_is_the_steps_left_at_the_pace_there_was(fills):
    config, journals = fills
    pace = _Pace(config)
    assert pace.remaining(0) == "-"
    pace.note(journals[0], steps(journals[:1]) / 1000.0)
    assert pace.speed == pytest.approx(1000)
    seconds = steps(journals[1:]) / 1000
    minutes, rest = divmod(seconds, 60)
    shown = pace.remaining(1).replace("min", "").replace("s", "").split()
    assert abs(60 * int(shown[0]) + int(shown[1]) - (60 * minutes + rest)) < 0.1 * seconds


def test_the_published_run_is_told_in_weeks_from_its_first_iterations_on():
    config = build({**read_preset("original"), "seed": 0, "push": "fresh"}, "test")
    journal = Journal(4)
    journal.scores.append(ScoreRecord(0, 0.0, (0, 5, 0, 0), 100, {}))
    episodes = 2 * config.es.pairs + config.score_episodes
    journal.tally.episodes.update({"optimise": 512, "score": 5})
    journal.tally.steps.update({"optimise": 512 * 1000, "score": 5 * 1000})
    estimate = Estimate(config)
    estimate.note(journal)
    # By hand: 20 pairs from iteration 19 x every on, fewer before; transfers add 380 visits of 522 episodes each time.
    every, last = config.reproduction.every, config.iterations
    pairs = [min(1 + iteration // every, 20) for iteration in range(5, last)]
    own = sum(pairs) * episodes
    visits = sum(n * (n - 1) for i, n in enumerate(pairs, start=5) if i % 25 == 0) * (512 + 10)
    born = sum(n for i, n in enumerate(pairs, start=5) if i % every == 0) * (522 + 8 * 5)
    assert estimate.steps_left(5) == pytest.approx(1000 * (own + visits + born), rel=1e-9)
    assert estimate.steps_left(5) > 25 * 1000 * episodes * last


def test_a_billion_iterations_and_a_million_places_are_reckoned_at_once(fills):
    config, journals = fills
    wide = replace(config.reproduction, capacity=10**6)
    estimate = Estimate(replace(config, iterations=10**9, reproduction=wide))
    estimate.note(journals[0])
    assert estimate.steps_left(1) > 1e9 * 240


def test_transfers_are_reckoned_by_what_the_latest_cost(fills):
    config, journals = fills
    estimate = Estimate(config)
    cheap = Journal(3)
    cheap.scores.extend(journals[-1].scores)
    cheap.tally.steps.update({"optimise": 0, "transfer": 60})
    cheap.transfers.extend([TransferRecord(0, 0.0, (), None)] * 6)
    estimate.note(cheap)
    # Two steps a visit, 30 visits a round, and nothing else costs anything: rounds at 57 and 54.
    assert estimate.steps_left(54) == pytest.approx(2 * 60)
