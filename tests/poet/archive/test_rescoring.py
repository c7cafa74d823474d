"""What best agents are worth: their fresh episodes against closed forms, other routes, and who may write them."""

import json
import re
import shutil
import sqlite3

import numpy as np
import pytest
from old_archives import TO_2, unpack
from runs import TOY_SETTINGS, dump, evolved

from cluster.executor import InProcess
from cluster.processes import Processes
from environments.domain import Batch, find_domain
from evolution.evaluator import Evaluator
from poet.archive import inspection, rescoring
from poet.archive.best import best_agents
from poet.archive.reading import read_config, reading
from poet.archive.store import Archive
from poet.config import build
from poet.population import first_population


@pytest.fixture(scope="module")
def unscored(tmp_path_factory):
    """A run as a kill -9 leaves it after its last iteration: with no fresh episodes."""
    return evolved(tmp_path_factory.mktemp("rescoring") / "unscored", TOY_SETTINGS)


@pytest.fixture(scope="module")
def ended(tmp_path_factory, unscored, poet):
    """The same run after `poet evolve` has come to its end."""
    folder = tmp_path_factory.mktemp("rescoring") / "ended"
    shutil.copytree(unscored, folder)
    assert poet("evolve", folder, "--workers", 1).returncode == 0
    return folder


@pytest.fixture
def copy(tmp_path, unscored):
    return shutil.copytree(unscored, tmp_path / "copy")


def listed(poet, folder, *line):
    done = poet("inspect", folder, "niches", "--json", *line)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_mean_return_is_the_closed_form_of_the_agent_with_the_highest_score(ended):
    connection = sqlite3.connect(ended / "archive.sqlite")
    best = dict(connection.execute("SELECT niche, best_theta FROM pair").fetchall())
    returns = connection.execute("SELECT niche, episode, return FROM rescore ORDER BY niche, episode").fetchall()
    connection.close()
    with reading(ended) as reader:
        niches = inspection.niches(reader)
    assert len(returns) == rescoring.EPISODES * len(niches)
    for niche in niches:
        theta = np.frombuffer(best[niche["id"]], dtype="<f8").astype(np.float32).astype(np.float64)
        worth = 200 - 100 * ((theta - np.array(niche["genome"]["target"])) ** 2).sum()
        own = [row[2] for row in returns if row[0] == niche["id"]]
        noise = np.array(own) - worth  # the toy's: a thousandth of the seed's last three digits
        assert ((noise > -1e-9) & (noise < 1)).all()
        assert len(set(noise.round(9))) > rescoring.EPISODES / 2
        assert niche["mean_return"] == pytest.approx(np.mean(own))
        low, high = niche["return_interval"]
        assert low < niche["mean_return"] < high
        assert sum(score < niche["median_return"] for score in own) <= rescoring.EPISODES / 2 - 1
        assert sum(score > niche["median_return"] for score in own) <= rescoring.EPISODES / 2
        assert niche["median_return"] - worth == pytest.approx((niche["median_seed"] % 1000) / 1000, abs=1e-9)
        assert niche["fresh_finished"] == sum(score > 195 for score in own)


def test_fresh_episodes_are_the_same_for_any_number_of_workers_and_whoever_asks(unscored, ended):
    with reading(unscored) as connection:
        agents, config = rescoring.missing(connection), read_config(connection)
        assert rescoring.cached(connection) == {}
    executor = Processes(2)
    try:
        spread = rescoring.play(Evaluator(config.simulation(), executor), agents)
    finally:
        executor.close()
    alone = rescoring.play(Evaluator(config.simulation(), InProcess()), agents[-1:])
    with reading(ended) as connection:
        kept = rescoring.cached(connection)
        assert rescoring.missing(connection) == []
    assert {niche: one.figures() for niche, one in spread.items()} == {n: one.figures() for n, one in kept.items()}
    (last,) = alone
    assert alone[last].figures() == kept[last].figures()


def test_fresh_episodes_are_none_of_those_the_run_played(unscored):
    with reading(unscored) as connection:
        config, agents = read_config(connection), best_agents(connection)
    seeds = [seed for agent in agents.values() for seed in rescoring.fresh_seeds(config.seed, agent.niche, agent.id)]
    played = set()

    class Noting(InProcess):
        def submit(self, items, urgency=0):
            from evolution.noise import episode_seeds  # noqa: PLC0415

            for item in items:
                for part in getattr(item, "parts", ()):
                    played.update(episode_seeds(config.seed, part.key, part.start, part.stop).tolist())
            return super().submit(items, urgency)

    from poet.algorithm import evolve  # noqa: PLC0415

    for _ in evolve(first_population(config), config, Evaluator(config.simulation(), Noting())):
        pass
    assert len(played) > 1000
    assert not played & set(map(int, seeds))
    assert len(set(map(int, seeds))) == len(seeds)
    assert max(seeds) < 2**32


def test_right_after_a_kill_inspect_says_what_is_missing_and_simulates_nothing(copy, poet):
    before = (copy / "archive.sqlite").read_bytes()
    assert {niche["mean_return"] for niche in listed(poet, copy)} == {None}
    told = poet("inspect", copy, "niches")
    count = len(listed(poet, copy))
    assert f"{count} of {count} best agents are not scored on fresh episodes yet; --rescore does" in told.stderr
    assert f"none of {count} scored on fresh episodes yet" in poet("inspect", copy).stdout
    assert "not scored on fresh episodes yet" in poet("inspect", copy, "niche", 1).stdout
    assert (copy / "archive.sqlite").read_bytes() == before


@pytest.mark.parametrize("way", ["inspect", "evolve"])
def test_what_is_missing_is_scored_by_rescore_and_by_evolve_and_kept(copy, ended, poet, way):
    if way == "inspect":
        assert listed(poet, copy, "--rescore") == listed(poet, ended)
    else:
        done = poet("evolve", copy, "--workers", 1)
        assert "its best agents are yet to be scored on fresh episodes" in done.stderr
    assert listed(poet, copy) == listed(poet, ended)
    connection = [sqlite3.connect(folder / "archive.sqlite") for folder in (copy, ended)]
    ours, theirs = (each.execute("SELECT * FROM rescore ORDER BY niche, episode").fetchall() for each in connection)
    assert ours == theirs
    assert dump(copy) == dump(ended)


def test_beside_a_writer_rescore_shows_what_it_finds_and_writes_nothing(copy, ended, poet):
    before = (copy / "archive.sqlite").read_bytes()
    writer = Archive.resume(copy)
    done = poet("inspect", copy, "niches", "--json", "--rescore")
    writer.close()
    assert json.loads(done.stdout) == listed(poet, ended)
    assert "which are shown but not kept: another process is evolving" in done.stderr
    assert (copy / "archive.sqlite").read_bytes() == before


def test_an_older_archive_is_read_without_fresh_episodes_and_gets_them_by_rescore(tmp_path, poet):
    old, new = (unpack(tmp_path / name, "original", TO_2) for name in ("old", "new"))
    Archive.resume(new).close()  # which brings it up to date
    expected = listed(poet, new, "--rescore")
    assert None not in {niche["mean_return"] for niche in expected}
    before = (old / "archive.sqlite").read_bytes()
    assert {niche["mean_return"] for niche in listed(poet, old)} == {None}
    assert poet("export", old, "-o", tmp_path / "exported", "--fractions", "1,0,0").returncode == 0
    assert (old / "archive.sqlite").read_bytes() == before
    assert listed(poet, old, "--rescore") == expected
    assert listed(poet, old) == expected


def test_a_new_best_agent_puts_the_old_ones_episodes_out_of_date(ended, tmp_path):
    folder = shutil.copytree(ended, tmp_path / "changed")
    connection = sqlite3.connect(folder / "archive.sqlite")
    connection.execute("UPDATE pair SET best_theta = theta, best_score = 1 WHERE niche = 2")
    connection.execute("UPDATE pair SET best_theta = zeroblob(length(theta)) WHERE niche = 1")
    connection.commit()
    connection.close()
    with reading(folder) as reader:
        kept, stale = rescoring.cached(reader), [agent.niche for agent in rescoring.missing(reader)]
    assert 1 in stale
    assert not set(stale) & set(kept)


def test_export_is_the_same_to_the_last_byte_whether_or_not_the_archive_holds_fresh_episodes(
    unscored, ended, tmp_path, poet
):
    for name, folder in (("a", unscored), ("b", ended)):
        done = poet("export", folder, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert ("were scored on fresh episodes for this alone" in done.stderr) == (name == "a")
    files = [path.relative_to(tmp_path / "a") for path in sorted((tmp_path / "a").rglob("*")) if path.is_file()]
    assert len(files) > 5
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    niches = {niche["id"]: niche for niche in listed(poet, ended)}
    for line in (tmp_path / "a" / "tasks.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        niche = niches[row["niche"]]
        assert row["solver_return"] == niche["mean_return"]
        assert [row["solver_return_low"], row["solver_return_high"]] == niche["return_interval"]
        assert (row["solver_median"], row["solver_median_seed"]) == (niche["median_return"], niche["median_seed"])
        assert row["luckiest_score"] == niche["best_score"]


def test_rescore_goes_with_the_views_that_show_it(unscored, poet):
    refused = poet("inspect", unscored, "metrics", "--rescore")
    assert refused.returncode == 2
    assert "--rescore goes with the views summary, niches, niche, lineage" in refused.stderr
    refused = poet("inspect", unscored, "niche", 99, "--rescore")
    assert (refused.returncode, "there is no niche 99" in refused.stderr) == (2, True)


@pytest.fixture(scope="module")
def bodies(tmp_path_factory, poet):
    """Runs of both bodies, two short iterations each."""
    folders = {}
    for preset, limit in (("quick", 60), ("hexapod", 40)):
        folders[preset] = tmp_path_factory.mktemp("bodies") / preset
        line = ("--set", "es.pairs=2", "--set", f"episode_limit={limit}", "--iterations", "2", "--workers", "1")
        assert poet("evolve", folders[preset], "--preset", preset, *line).returncode == 0
    return folders


@pytest.mark.parametrize("preset", ["quick", "hexapod"])
def test_a_film_shows_the_median_episode_names_its_seed_and_can_be_made_again_by_it(bodies, tmp_path, poet, preset):
    (niche,) = listed(poet, bodies[preset])
    film = poet("render", bodies[preset], 0, "-o", tmp_path / "a.png")
    assert film.returncode == 0, film.stderr
    said = re.search(
        r"return (\S+); the median of 20 fresh episodes, whose mean return is (\S+) .*, seed (\d+)", film.stderr
    )
    assert float(said[1]) == pytest.approx(niche["median_return"], abs=0.051)
    assert float(said[2]) == pytest.approx(niche["mean_return"], abs=0.051)
    assert int(said[3]) == niche["median_seed"]
    again = poet("render", bodies[preset], 0, "-o", tmp_path / "b.png", "--seed", said[3])
    assert again.stderr.strip().endswith(f"return {said[1]}; seed {said[3]}")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_run_can_be_filmed_before_its_first_iteration(tmp_path, poet):
    config = build({"domain": "walker2d", "episode_limit": 30}, "test")
    Archive.create(tmp_path / "run", config, first_population(config)).close()
    film = poet("render", tmp_path / "run", 0, "-o", tmp_path / "a.png")
    assert film.returncode == 0, film.stderr
    theta = first_population(config).pairs[0].learner.theta.astype(np.float32)
    with reading(tmp_path / "run") as connection:
        (agent,) = best_agents(connection).values()
    np.testing.assert_array_equal(agent.theta, theta)
    seeds = rescoring.fresh_seeds(config.seed, 0, agent.id)
    returns = (
        find_domain("walker2d")
        .run(Batch.of(np.tile(theta, (20, 1)), agent.environment, seeds), episode_limit=30)
        .returns
    )
    assert f"return {np.sort(returns)[9]:.1f};" in film.stderr
