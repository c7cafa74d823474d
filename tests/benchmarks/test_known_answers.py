"""The problems with known answers: the anchors computed anew, and the learners in the short form."""

import json
import math
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from benchmarks.known_answers import bandits, grounds, in_context, navigation, sinusoid
from benchmarks.known_answers.__main__ import NAMES, main
from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.workers import MINUTES, Job, Side, jobs_of, told_of
from environments.domain import find_domain
from meta_learners.families.navigation import Navigation
from meta_learners.problems.archive import Pool
from meta_learners.problems.grounds import Grounds, GroundSettings

KEPT = Path(__file__).parents[2] / "benchmarks" / "results" / "known_answers"


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


@pytest.mark.parametrize("pulls", [2, 3, 4])
def test_arms_that_there_are_no_pulls_for_are_worth_nothing(pulls):
    # So fifty arms are worth what ten are, of ten pulls.
    assert bayes_optimum(pulls, ((0, 0),) * (pulls + 3)) == pytest.approx(bayes_optimum(pulls, ((0, 0),) * pulls))
    assert in_context.PUBLISHED[50][0] == in_context.PUBLISHED[10][0]


@pytest.mark.slow
def test_bandits_in_short_are_played_better_than_by_chance_and_no_better_than_is_possible():
    command = [sys.executable, "-m", "benchmarks.known_answers", "bandits", "--short", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    chance, learnt = json.loads(done.stdout)
    assert chance["measured"] == pytest.approx(chance["target"], abs=0.05)
    assert 5.4 < learnt["measured"] < bandits.OPTIMUM + 0.05
    assert (learnt["better"], learnt["target"], learnt["reached"]) == ("higher", bandits.THOMPSON, True)


@pytest.mark.parametrize(
    ("better", "measured", "reached", "shown"),
    [
        ("higher", 6.345, False, "6.345  not >= 6.527"),
        ("higher", 6.6, True, "6.600      >= 6.527"),
        ("lower", 6.6, False, "6.600  not <= 6.527"),
        ("lower", 6.5, True, "6.500      <= 6.527"),
        ("equal", 6.5, True, "6.500       = 6.527 (within 0.05)"),
        ("equal", 6.6, False, "6.600   not = 6.527 (within 0.05)"),
        ("beside", 1.0, None, "1.000  beside 6.527"),
        ("higher", float("nan"), False, "nan  not >= 6.527"),
        ("equal", float("nan"), False, "nan   not = 6.527 (within 0.05)"),
        ("beside", float("nan"), False, "nan  not beside 6.527"),
    ],
)
def test_what_is_printed_of_an_answer_is_true(better, measured, reached, shown):
    answer = Answer("a problem", measured, 6.527, better, 0.05)
    assert answer.reached is reached
    assert str(answer).endswith(shown)


def test_an_aim_that_is_missed_ends_with_status_1_and_is_printed_as_missed():
    # Two meta-steps learn nothing: what is aimed at stays far.
    patch = (
        "import sys; from benchmarks.known_answers import __main__ as main, bandits\n"
        "bandits.Effort = lambda **kept: main_effort(**{**kept, 'iterations': 2, 'trials': 16, 'tested': 2000})\n"
        "from benchmarks.known_answers.trials import Effort as main_effort\n"
        "sys.argv[1:] = ['bandits', '--short']; main.main()"
    )
    done = subprocess.run([sys.executable, "-c", patch], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "not >= 5.700" in done.stdout
    assert "1 of 2 aims missed" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["in_context", "--part", "mdps"], "--part is mdps; it must be one of snail-bandits-5, snail-bandits-10"),
        (["bandits", "--part", "all"], "--part is all; bandits has no parts"),
        (["--part", "drawn"], "--part is drawn; name the problem that it is of"),
        (["instances", "--part", "drawn", "--short"], "--part is drawn; parts are of the long form"),
    ],
)
def test_a_part_that_there_is_not_is_refused_in_a_sentence(options, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["known_answers", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_processes_in_short_pay_what_they_should_to_chance_and_to_who_knows_them_and_more_to_who_learns():
    command = [sys.executable, "-m", "benchmarks.known_answers", "mdps", "--short", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    chance, oracle, learnt = json.loads(done.stdout)
    assert chance["measured"] == pytest.approx(chance["target"], abs=1.5)
    assert oracle["measured"] == pytest.approx(oracle["target"], abs=1.5)
    assert chance["measured"] + 8 < learnt["measured"] < oracle["measured"]


def test_the_sinusoids_anchors_are_what_sampled_tasks_give():
    (examples,) = sinusoid.draw((0,), 4000, (200,))
    assert examples.targets.square().mean().item() == pytest.approx(sinusoid.zero_error(), abs=0.15)
    blind = -2 * 2.55 / math.pi * examples.inputs.cos()
    assert (examples.targets - blind).square().mean().item() == pytest.approx(sinusoid.task_blind_error(), abs=0.1)
    assert sinusoid.task_blind_error() == pytest.approx(3.00, abs=0.01)


@pytest.mark.slow
def test_sinusoids_in_short_are_fitted_better_than_by_who_does_not_see_the_task():
    learner = sinusoid.train("maml", 10, 1200, seed=0)
    curve = sinusoid.errors(learner, 10)
    assert curve[1] < 0.95 * sinusoid.task_blind_error() < curve[0]


def test_navigations_anchors_are_what_walking_them_gives():
    family = Navigation()
    goals = family.sample_tasks(2000, np.random.default_rng(0))
    still, straight = (played(family, goals, policy) for policy in (np.zeros_like, np.asarray))
    assert still == pytest.approx(navigation.still_return(), abs=0.5)
    assert straight == pytest.approx(navigation.oracle_return(), abs=0.02)


def played(family, goals, policy):
    worlds = family.worlds(len(goals))
    worlds.set_tasks(goals)
    points, _ = worlds.reset(seed=[0] * len(goals))
    total = 0.0
    for _ in range(family.episode_limit):
        points, rewards, _, _, _ = worlds.step(policy(np.array(goals) - points))
        total += rewards.mean()
    return total


@pytest.mark.slow
def test_navigation_in_short_is_better_after_a_step_than_before_and_than_standing_still():
    learner = navigation.train("maml", navigation.SHORT_ITERATIONS, 0, "cpu", lambda _, __: None)
    before, after = navigation.returns_after(learner)
    assert after > max(before, navigation.still_return()) + 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["niches", "curves", "recall", "optimisers", "plastic", "in_context", "hull", "instances", "online", "uncertain"],
)
def test_few_shot_problems_in_short_come_up_to_their_aims_and_say_where_they_are_from(name):
    command = [sys.executable, "-m", "benchmarks.known_answers", name, "--short", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answers = json.loads(done.stdout)
    assert [each["name"] for each in answers if each["reached"] is False] == []
    assert {each["certainty"] for each in answers} & {"computed", "remembered"}


def asked(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["known_answers", *map(str, words)])
    main()


def test_figures_of_the_same_name_are_replaced_in_a_list_that_was_kept_and_others_stay(monkeypatch, tmp_path, capsys):
    path = tmp_path / "figures.json"
    asked(monkeypatch, "recall", "--short", "--json", "--into", path)
    first = json.loads(path.read_text())
    assert json.loads(capsys.readouterr().out) == first
    path.write_text(json.dumps([{"name": "another"}, {**first[1], "measured": 0.5}]))
    asked(monkeypatch, "recall", "--short", "--into", path)
    assert json.loads(path.read_text()) == [{"name": "another"}, first[1], first[0]]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--part", "arc"], "--part is arc; name the problem that it is of"),
        (["recall", "--part", "arc"], "--part is arc; recall has no parts"),
        (["omniglot", "--part", "protos"], "--part is protos; it must be one of anchors, prototypical, matching"),
        (["omniglot", "--part", "arc", "--short"], "parts are of the long form, so leave out --short"),
        (["recall", "--into", "no-such/figures.json"], "but there is no folder no-such"),
        (["recall", "--into", __file__], "cannot be read as a list of figures"),
        (["recall", "--into", "no-such-folder"], "--into is no-such-folder, which is not there"),
        (["recall", "--short", "--into", KEPT], "where lists lie that may be of the long form"),
        (["recall", "--short", "--seed", "-1"], "--seed is -1; it must be in [0, "),
        (["omniglot", "--part", "matching"], "no-such-drawings holds no images_background"),
    ],
)
def test_what_cannot_be_run_or_kept_is_refused_before_anything_runs(monkeypatch, capsys, words, told):
    monkeypatch.setenv("POET_OMNIGLOT", "no-such-drawings")
    with pytest.raises(SystemExit) as ended:
        asked(monkeypatch, *words)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert told in said.err.replace("\n", " ")
    assert said.out == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no-such-curriculum"], "no-such-curriculum"),
        (["no-such-curriculum", "--into", __file__], "cannot be read as a list of figures"),
        (["no-such-curriculum", "--into", "no-such/figures.json"], "but there is no folder no-such"),
    ],
)
def test_a_curriculum_or_a_list_that_cannot_be_read_is_refused(monkeypatch, capsys, words, told):
    monkeypatch.setattr(sys, "argv", ["grounds", *words])
    with pytest.raises(SystemExit) as ended:
        grounds.main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert told in said.err.replace("\n", " ")
    assert said.out == ""


def test_the_course_of_each_task_of_grounds_is_the_one_whose_heights_it_has():
    domain = find_domain("walker2d")
    encoding, rng = domain.encoding("cppn", {}), np.random.default_rng(0)
    genomes = {split: [encoding.mutate(encoding.initial(), rng) for _ in range(4)] for split in Grounds.splits}
    family = Grounds(GroundSettings(courses=0, noise=0.0), Pool(genomes, domain, encoding, 0))
    batch, heights = family.draw(50, "test", (1, 2)), family._heights("test")
    places = ((batch.query.inputs[..., 0] + 1) / 2 * (heights.shape[1] - 1)).round().long()
    misses = (heights[:, places] - batch.query.targets[None, ..., 0]).abs().sum(2)
    courses = grounds.courses_of(family, 50, (1, 2))
    assert courses.unique().tolist() == [0, 1, 2, 3]
    assert misses.gather(0, courses[None]).max() < 1e-5
    assert (misses.sort(0).values[1] > 1e-3).all()  # of no other course


def test_an_interval_over_courses_is_as_wide_as_their_means_make_it_however_many_tasks_each_has():
    means = np.random.default_rng(0).normal(size=18)
    wanted = scipy.stats.bootstrap((means,), np.mean, n_resamples=10_000, method="percentile", rng=1)
    for tasks in (1, 100):
        found = grounds.interval_over_courses(means.repeat(tasks), np.arange(18).repeat(tasks), (0,))
        assert found == pytest.approx(tuple(wanted.confidence_interval), abs=0.03)


def test_the_best_threshold_parts_two_samples_as_far_as_kolmogorov_and_smirnov_say():
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(60, generator=generator), torch.randn(80, generator=generator) + 1
    apart = grounds.apart_by(grounds.best_threshold(one, other), one, other)
    assert apart == pytest.approx(scipy.stats.ks_2samp(one.numpy(), other.numpy()).statistic)


def test_what_is_said_to_take_long_is_there_and_parts_come_in_the_order_of_their_problems():
    jobs = jobs_of(NAMES, short=False)
    assert {str(job) for job in jobs} >= set(MINUTES)
    assert list(dict.fromkeys(job.problem for job in jobs)) == list(NAMES)
    assert jobs_of(NAMES, short=True) == [Job(name) for name in NAMES]


def test_what_lacks_its_data_is_named_at_the_end_and_is_no_failure(monkeypatch, capsys):
    monkeypatch.delenv("POET_OMNIGLOT", raising=False)
    asked(monkeypatch, "omniglot", "--short")
    said = capsys.readouterr().err
    assert said.endswith("omniglot: POET_OMNIGLOT names no folder of Omniglot's files\nnot measured: omniglot\n")


def test_the_time_of_what_ran_beside_others_is_told_with_the_aims_that_it_missed():
    lines = ["omniglot: read", "omniglot anchors: 12 s, 11 of the processor", "1 of 2 aims missed"]
    assert (
        told_of(Job("omniglot", "anchors"), lines) == "omniglot anchors: 12 s, 11 of the processor; 1 of 2 aims missed"
    )
    assert told_of(Job("recall"), lines) == "1 of 2 aims missed"


@pytest.mark.slow
def test_two_side_by_side_find_what_one_does_and_one_that_fails_is_named(monkeypatch, tmp_path, capsys):
    for workers in (1, 2):
        monkeypatch.setattr("benchmarks.known_answers.__main__.NAMES", ("recall", "online"))
        (tmp_path / str(workers)).mkdir()
        asked(monkeypatch, "--short", "--json", "--into", tmp_path / str(workers), "--workers", workers)
        assert [each["name"].partition(":")[0] for each in json.loads(capsys.readouterr().out)] == ["recall"] * 2 + [
            "online"
        ]
    for name in ("recall.json", "online.json"):
        assert (tmp_path / "1" / name).read_text() == (tmp_path / "2" / name).read_text()
    kept = {}
    failed = Side(2, ["--short"]).run([Job("recall"), Job("online", "all")], kept.__setitem__)
    assert set(kept) == {Job("recall")}
    assert "online has no parts" in failed[Job("online", "all")]
