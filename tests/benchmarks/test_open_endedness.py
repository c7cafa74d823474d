"""The comparison's arithmetic, and that what is kept in the repository makes its own tables and figures."""

import json
import shutil
import sqlite3
import sys
from itertools import accumulate
from pathlib import Path

import pytest
from runs import TOY_SETTINGS, evolved

from benchmarks.open_endedness import __main__ as program
from benchmarks.open_endedness import controls, gallery, results, runs

KEPT = Path(results.__file__).parents[1] / "results" / "open_endedness"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two toy runs, one half as long as the other."""
    folder = tmp_path_factory.mktemp("runs")
    for name, iterations in (("original-0", 20), ("original-1", 40)):
        settings = {**TOY_SETTINGS["reproduction"], "whole_archive": True}
        evolved(folder / name, {**TOY_SETTINGS, "reproduction": settings, "iterations": iterations, "seed": 5})
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return results.gather_runs(folder, ["original-0", "original-1"])


def ask(folder, query):
    connection = sqlite3.connect(folder / "archive.sqlite")
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def test_runs_are_cut_where_the_shortest_ends(folder, found):
    # One seed, so that the longer run is the shorter one and more.
    assert found["original-1"] == {**found["original-0"], "settings": found["original-1"]["settings"]}
    assert ask(folder / "original-1", "SELECT max(iteration) + 1 FROM iteration") == [(40,)]
    costs = ask(folder / "original-0", "SELECT sum(steps) FROM cost GROUP BY iteration ORDER BY iteration")
    assert list(accumulate(found["original-1"]["curves"]["steps"])) == list(accumulate(steps for (steps,) in costs))
    assert sum(found["original-1"]["steps_of"].values()) == sum(steps for (steps,) in costs)


def test_nothing_of_an_environment_is_of_later_than_the_budget(folder, found):
    last = found["original-1"]["iterations"] - 1
    later = 0
    for niche in found["original-1"]["niches"]:
        query = f"SELECT score FROM score WHERE niche = {niche['id']}"
        scores = [
            score for (score,) in ask(folder / "original-1", f"{query} AND iteration <= {last} ORDER BY iteration")
        ]
        assert niche["scores"] == [round(score, 1) for score in scores]
        assert niche["best_score"] == max(niche["scores"])
        assert niche["solved"] is None or niche["solved"] <= last
        later += len(ask(folder / "original-1", query)) - len(scores)
    assert later > 10


def test_solver_is_shown_by_its_score_when_it_solved_and_not_by_its_best():
    niche = {"born": 10, "solved": 12, "scores": [100.0, 180.0, 231.0, 290.0], "best_score": 290.0}
    assert results.solving_score(niche) == 231.0


def test_gallery_reaches_from_the_first_environment_to_the_last():
    assert gallery.spread(list(range(46)), 6) == [0, 9, 18, 27, 36, 45]
    assert gallery.spread(list(range(4)), 6) == [0, 1, 2, 3]
    assert gallery.spread([], 6) == []


def test_kept_summary_makes_its_tables_and_figures_and_stays_small(tmp_path, monkeypatch):
    assert (KEPT / "summary.json").stat().st_size < 2e6
    shutil.copy(KEPT / "summary.json", tmp_path)
    monkeypatch.setattr(gallery, "DRIFT", (2,))
    monkeypatch.setattr(gallery, "DRIFT_SEEDS", 1)
    monkeypatch.setattr(sys, "argv", ["open_endedness", "--figures-only", "--results", str(tmp_path)])
    program.main()
    assert (tmp_path / "summary.json").read_bytes() == (KEPT / "summary.json").read_bytes()
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    for name, run in json.loads((KEPT / "summary.json").read_text(encoding="utf-8"))["runs"].items():
        assert f"| {name} | {run['iterations']} | {sum(run['curves']['steps']):,} |" in page
    for name in ("curves", "difficulty", "gallery", "controls", "drift"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert name == "drift" or f"({name}.png)" in page


def test_first_writing_and_figures_only_read_the_same(tmp_path, found):
    runs = {name: found[name] for name in ("original-1", "original-0")}
    written = results.write(tmp_path / "summary.json", runs, [])
    assert results.tables(written) == results.tables(
        json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    )


def control(**choices):
    flat = {"domain": "walker2d", "encoding": "parametric", "genome": {}, "seed": 0}
    return controls.Control(
        **{
            "run": "original-0",
            "niche": 1,
            "environment": flat,
            "seed": 100,
            "wanted": 1,
            "solver_score": 0.0,
            **choices,
        }
    )


@pytest.fixture
def tiny(monkeypatch):
    """Controls of few and short episodes."""
    common = {**runs.COMMON, "episode_limit": 5, "es": {"pairs": 2}}
    monkeypatch.setattr(controls, "COMMON", common)
    monkeypatch.setattr(controls, "FIRST", {**controls.FIRST, "episode_limit": 5, "es": {"pairs": 2, "sigma": 0.5}})


def test_control_from_scratch_begins_as_the_first_agent_did_and_a_warm_one_with_that_agent(tmp_path, tiny):
    agent, found = KEPT / "first_agent.safetensors", {}
    done = controls.run_all([control(), control(warm=True)], agent, tmp_path, 60)
    assert [each.steps for each in done] == [1, 1]
    for each in done:
        learner = controls._load(tmp_path / f"{each.name}.npz")
        found[each.warm] = (controls.read_agent(agent, controls.find_domain("walker2d").controller), learner)
    for warm, (first, learner) in found.items():
        near = abs(learner.theta - first).max() < 0.1
        assert near == warm
        assert (learner.sigma > 0.4) != warm  # the settings of the first agent's training are the cold ones'


def test_controls_from_scratch_come_before_warm_ones_and_what_is_done_is_kept(tmp_path, tiny, monkeypatch):
    agent, order = KEPT / "first_agent.safetensors", []
    advance = controls._advance
    monkeypatch.setattr(controls, "_advance", lambda each, *rest: (order.append(each.name), advance(each, *rest)))
    planned = [control(warm=True), control(wanted=6), control(seed=101)]
    controls.run_all(planned, agent, tmp_path, 60)
    assert order == ["original-0-1-100", "original-0-1-101", "original-0-1-100", "original-0-1-100-warm"]
    again = controls.run_all([control(warm=True), control(wanted=6)], agent, tmp_path, 60)
    assert len(order) == 4
    assert [(each.warm, each.steps, len(each.scores)) for each in again] == [(True, 1, 1), (False, 6, 2)]
