"""`poet evaluate` against closed forms, other routes to the same numbers, and its own intervals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import synthetic_archive
from scipy import stats

from cluster.executor import InProcess
from environments.domain import Batch, Environment, find_domain
from environments.intervals import interval
from environments.suites import Level
from environments.weights import agent_bytes
from evolution.noise import episode_seeds
from poet.evaluate.scoring import Contestant, Rules, chosen_rows, play, summarise, terrains_of

TARGETS = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.0]]


def toy(target, seed=0):
    return Environment(domain="toy", encoding="target", genome={"target": target}, seed=seed)


@pytest.fixture
def rules():
    return Rules(domain="toy", episodes=4, seed=3, episode_limit=10, solved_above=195.0, must_finish=True)


def test_returns_are_the_closed_form_for_every_agent_course_and_episode(rules):
    agents = [Contestant(str(i), np.array(theta, dtype=np.float32)) for i, theta in enumerate(TARGETS[:2])]
    levels = [Level(f"target {i}", toy(target)) for i, target in enumerate(TARGETS)]
    result = play(agents, levels, rules, InProcess())
    assert result.returns.shape == (2, 3, 4)
    for i, agent in enumerate(agents):
        for j, target in enumerate(TARGETS):
            noise = (episode_seeds(3, (j,), 0, 4) % 1000) / 1000
            expected = 200 - 100 * ((agent.theta - np.array(target)) ** 2).sum() + noise
            np.testing.assert_allclose(result.returns[i, j], expected)
            np.testing.assert_array_equal(result.solved[i, j], expected > 195)
    assert result.steps == 2 * 3 * 4 * 10


def test_an_agents_result_does_not_depend_on_who_else_is_evaluated(rules):
    agents = [Contestant(str(i), np.full(3, i / 400, dtype=np.float32)) for i in range(300)]
    levels = [Level("near", toy(TARGETS[0])), Level("far", toy(TARGETS[1]))]
    together = play(agents, levels, rules, InProcess())
    alone = play(agents[217:218], levels, rules, InProcess())
    np.testing.assert_array_equal(together.returns[217:218], alone.returns)
    rows = [row for row in summarise(together, agents, terrains_of(levels)) if row["agent"] == "217"]
    assert strip(rows) == strip(summarise(alone, agents[217:218], terrains_of(levels)))


def strip(rows):
    return [{key: value for key, value in row.items() if key != "chosen"} for row in rows]


def test_summary_gives_each_terrains_mean_and_the_best_agent(rules):
    agents = [Contestant("a", np.zeros(3, dtype=np.float32)), Contestant("b", np.array([1, 0, 0], dtype=np.float32))]
    levels = [Level("left", toy(TARGETS[0], seed)) for seed in range(3)] + [Level("right", toy(TARGETS[1]))]
    result = play(agents, levels, rules, InProcess())
    choosing = play(agents, levels, replace(rules, choosing=True), InProcess())
    rows = summarise(result, agents, terrains_of(levels), choosing)
    assert {(row["terrain"], row["agent"]): row["courses"] for row in rows} == {
        ("left", "a"): 3,
        ("left", "b"): 3,
        ("right", "a"): 1,
        ("right", "b"): 1,
    }
    assert rows[0]["mean"] == pytest.approx(result.returns[0, :3].mean())
    assert rows[0]["episodes"] == 12
    assert [(row["terrain"], row["agent"], row["solved"]) for row in chosen_rows(rows)] == [
        ("left", "a", 1.0),
        ("right", "b", 1.0),
    ]


def test_the_best_agent_is_not_reported_on_the_episodes_that_it_was_chosen_by(rules):
    # A hundred equal agents on one course, whose episodes differ by the seed's noise alone.
    agents = [Contestant(str(i), np.full(3, i * 1e-6, dtype=np.float32)) for i in range(100)]
    levels = [Level("here", toy(TARGETS[0]))]
    result, choosing = (play(agents, levels, replace(rules, choosing=part), InProcess()) for part in (False, True))
    reported, chosen_by = (episode_seeds(3, replace(rules, choosing=part).key(0), 0, 4) for part in (False, True))
    assert not set(reported) & set(chosen_by)
    noise = (chosen_by % 1000) / 1000
    np.testing.assert_allclose(choosing.returns[0, 0], 200 + noise)
    (chosen,) = chosen_rows(summarise(result, agents, terrains_of(levels), choosing))
    winner = int(chosen["agent"])
    assert winner == choosing.returns.mean(axis=(1, 2)).argmax()
    assert chosen["mean"] == pytest.approx(result.returns[winner].mean())
    assert chosen["choosing_mean"] == pytest.approx(choosing.returns[winner].mean())


def test_bootstrap_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    bounds = np.array([interval(row) for row in rng.normal(5.0, 2.0, size=(300, 40))])
    covered = ((bounds[:, 0] <= 5) & (bounds[:, 1] >= 5)).mean()
    assert 0.89 < covered < 0.98
    # Against the normal theory: 1.96 standard errors either side.
    assert (bounds[:, 1] - bounds[:, 0]).mean() == pytest.approx(2 * 1.96 * 2 / np.sqrt(40), rel=0.08)
    assert interval(np.full(9, 7.0)) == (7.0, 7.0)


@pytest.mark.parametrize("count", [2, 3, 20, 101])
def test_bootstrap_interval_is_scipys(count):
    samples = np.random.default_rng(count).exponential(50.0, count)
    found = stats.bootstrap(
        (samples,), np.mean, n_resamples=2000, confidence_level=0.95, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert interval(samples) == pytest.approx((found.low, found.high), rel=1e-12)


def test_of_a_single_sample_there_is_no_interval_rather_than_one_of_no_width():
    assert interval(np.array([3.0])) is None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate") / "run"
    synthetic_archive.write(folder, niches=12, iterations=60)
    return folder


def test_suite_results_are_what_the_domains_rollout_gives(run, tmp_path, poet):
    plot = tmp_path / "plot.png"
    line = ("--suite", "walker", "--agents", "3,5", "--episodes", 2, "--workers", 1, "--json", "--plot", plot)
    done = poet("evaluate", run, *line)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["solved_above"] == 230
    assert len(figures["results"]) == 6 * 2
    (row,) = (row for row in figures["results"] if (row["terrain"], row["agent"]) == ("PitGap", "niche 5"))
    from environments.suites import suites_of  # noqa: PLC0415
    from poet.archive.reading import reading  # noqa: PLC0415

    with reading(run) as connection:
        (blob,) = connection.execute("SELECT best_theta FROM pair WHERE niche = 5").fetchone()
    theta = np.tile(np.frombuffer(blob, dtype="<f8").astype(np.float32), (2, 1))
    returns = [
        find_domain("walker2d").run(Batch.of(theta, level.environment, episode_seeds(0, (number,), 0, 2))).returns
        for number, level in enumerate(suites_of("walker2d")["walker"]().levels)
        if level.terrain == "PitGap"
    ]
    assert row["mean"] == pytest.approx(np.mean(returns), abs=1e-9)
    assert row["interval"][0] <= row["mean"] <= row["interval"][1]
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_table_fits_a_narrow_terminal_with_nothing_cut_off(run, poet):
    line = ("evaluate", run, "--suite", "walker", "--agents", "3,5", "--episodes", 1, "--workers", 1)
    done = poet(*line, COLUMNS="80")
    figures = json.loads(poet(*line, "--json").stdout)["results"]
    assert "\N{HORIZONTAL ELLIPSIS}" not in done.stdout
    for best in chosen_rows(figures):
        others = np.mean([row["mean"] for row in figures if row["terrain"] == best["terrain"]])
        (shown,) = [text for text in done.stdout.splitlines() if text.split()[:1] == [best["terrain"]]]
        assert {f"{best['mean']:.1f}", f"{others:.1f}"} <= set(shown.split())
        assert best["agent"] in shown


def test_agent_file_on_a_curriculum_equals_that_agent_of_the_run(run, tmp_path, poet):
    assert poet("export", run, "-o", tmp_path / "c").returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "c" / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    (agent,) = (row["agent"] for row in rows if row["niche"] == 4)
    line = ("--curriculum", tmp_path / "c", "--split", "train", "--episodes", 2, "--workers", 1, "--json")
    ours = poet("evaluate", tmp_path / "c" / agent, *line)
    theirs = poet("evaluate", run, *line, "--agents", "4")
    assert ours.returncode == theirs.returncode == 0, ours.stderr + theirs.stderr
    strip = [{**row, "agent": ""} for row in json.loads(theirs.stdout)["results"]]
    assert [{**row, "agent": ""} for row in json.loads(ours.stdout)["results"]] == strip
    train = [row for row in rows if row["split"] == "train"]
    assert [(row["terrain"], row["niche"], row["courses"]) for row in strip[:-1]] == [
        (row["id"], row["niche"], 1) for row in train
    ]
    assert (strip[-1]["terrain"], strip[-1]["courses"]) == (f"train, {len(train)} tasks", len(train))
    assert strip[-1]["mean"] == pytest.approx(np.mean([row["mean"] for row in strip[:-1]]))


def test_all_splits_of_a_curriculum_give_a_row_a_task_one_a_split_and_one_for_all(run, tmp_path, poet):
    assert poet("export", run, "-o", tmp_path / "c").returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "c" / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    line = ("--curriculum", tmp_path / "c", "--split", "all", "--agents", "4", "--episodes", 1, "--workers", 1)
    found = json.loads(poet("evaluate", run, *line, "--json").stdout)["results"]
    assert [(row["terrain"], row["split"]) for row in found[: len(rows)]] == [(row["id"], row["split"]) for row in rows]
    assert all(row["interval"] is None for row in found[: len(rows)])  # of one episode nothing is known
    sizes = {name: sum(row["split"] == name for row in rows) for name in dict.fromkeys(row["split"] for row in rows)}
    totals = {row["terrain"]: row["courses"] for row in found[len(rows) :]}
    expected = {f"{name}, {size} tasks": size for name, size in sizes.items() if size > 1}
    assert totals == {**expected, f"all {len(rows)} tasks": len(rows)}


def test_all_agents_on_all_niches_of_any_domain(tmp_path, toy_file, poet):
    assert poet("evolve", tmp_path / "run", "--config", toy_file, "--workers", 1).returncode == 0
    done = poet("evaluate", tmp_path / "run", "--niches", "--agents", "all", "--json", "--workers", 1)
    assert done.returncode == 0, done.stderr
    niches = len(json.loads(poet("inspect", tmp_path / "run", "niches", "--json").stdout))
    rows = json.loads(done.stdout)["results"]
    assert len(rows) == niches**2
    shown = poet("evaluate", tmp_path / "run", "--niches", "--workers", 1)
    assert "niche 0" in shown.stdout
    assert "all 3 agents" in shown.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "evaluate on one of --suite NAME, --niches and --curriculum DIR"),
        (["--suite", "walker", "--niches"], "evaluate on one of"),
        (
            ["--suite", "moon"],
            "--suite is 'moon', which walker2d does not have; its suites are walker, high",
        ),
        (["--suite", "walker", "--agents", "best"], "--agents is 'best'; it must be active, all, or niches"),
        (["--suite", "walker", "--agents", "99"], "there is no niche 99; this run has niches 0 to 11"),
        (["--suite", "walker", "--engine", "warp"], "--engine is 'warp'; it must be one of"),
        (["--curriculum", "nowhere"], "nowhere holds no curriculum: there is no curriculum.json in it"),
        (["--suite", "walker", "--plot", "no/such/plot.png"], "cannot write no/such/plot.png"),
        (["--suite", "walker", "--plot", "plot.jpg"], "its ending must be one of .png, .svg, .pdf"),
        (["--suite", "walker", "--plot", "/proc/plot.png"], "cannot write /proc/plot.png: "),
        (["--suite", "walker", "--split", "train"], "--split train goes with --curriculum DIR"),
        (["--suite", "walker", "--agents", "0,3,0"], "--agents 0,3,0 names niche 0 more than once"),
        (["--suite", "walker", "--episodes", "0"], "--episodes is '0'; it must be a whole number, at least 1"),
    ],
)
def test_wrong_requests_get_one_sentence_and_status_2(run, poet, line, message):
    refused = poet("evaluate", run, *line)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "episodes," not in refused.stderr  # nothing was played
    assert "Traceback" not in refused.stderr


def test_agents_of_another_network_or_domain_are_refused(run, tmp_path, toy_file, poet):
    from environments.controller import Controller  # noqa: PLC0415

    path = tmp_path / "agent.safetensors"
    path.write_bytes(agent_bytes(Controller((3, 2)), np.zeros(8, dtype=np.float32)))
    refused = poet("evaluate", path, "--suite", "walker")
    assert refused.returncode == 2
    assert "holds no network of linear layers with 24 inputs and 4 outputs (one of 3-2)" in refused.stderr
    assert "--niches needs a run" in poet("evaluate", path, "--niches").stderr
    refused = poet("evaluate", path, "--suite", "walker", "--agents", "all")
    assert (refused.returncode, f"--agents all goes with a run; {path} is one agent" in refused.stderr) == (2, True)
    assert poet("evolve", tmp_path / "toy", "--config", toy_file, "--iterations", 2, "--workers", 1).returncode == 0
    refused = poet("evaluate", tmp_path / "toy", "--suite", "walker")
    assert refused.returncode == 2
    assert "--suite is 'walker', which toy does not have; its suites are corners" in refused.stderr


def test_a_third_partys_suite_measures_its_agents_by_its_own_rules(tmp_path, toy_file, poet):
    run, file = tmp_path / "toy", tmp_path / "agent.safetensors"
    assert poet("evolve", run, "--config", toy_file, "--iterations", 2, "--workers", 1).returncode == 0
    theta = np.array([0.75, 0.0, 0.0], dtype=np.float32)
    file.write_bytes(agent_bytes(find_domain("toy").controller, theta))
    for subject in (run, file):
        done = poet("evaluate", subject, "--suite", "corners", "--episodes", 2, "--workers", 1, "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["solved_above"], found["episode_limit"]) == (150, 7)
        assert [row["terrain"] for row in found["results"]] == ["left", "right"]
    left, right = found["results"]  # 200 - 100 d^2 and less than 1 of noise, d being 1.75 and 0.25
    assert -106.25 <= left["mean"] < -105.25
    assert 193.75 <= right["mean"] < 194.75
    refused = poet("evaluate", file, "--suite", "moon")
    assert (refused.returncode, "--suite is 'moon', which no installed domain has" in refused.stderr) == (2, True)


def test_changed_curriculum_is_refused_before_anything_runs(run, tmp_path, poet):
    assert poet("export", run, "-o", tmp_path / "c").returncode == 0
    with (tmp_path / "c" / "tasks.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n")
    refused = poet("evaluate", run, "--curriculum", tmp_path / "c")
    assert refused.returncode == 2
    assert "tasks.jsonl has been changed or truncated: its sha256" in refused.stderr
    assert refused.stderr.count("\n") == 1
