"""A run of walkers on CPPN ground, from the command line to the exported curriculum."""

import json

import numpy as np
import pytest
from browser import chromium, open_page

from environments.tasks.curriculum import Curriculum
from environments.walker2d.terrain import terrain_of

# So lenient and small that children are admitted within seconds; agents fall at once, and that counts as alive.
TINY = {
    "iterations": 4,
    "episode_limit": 40,
    "score_episodes": 1,
    "es.pairs": 2,
    "minimal_criterion.lower": -200.0,
    "reproduction.every": 1,
    "reproduction.parent_score": -200.0,
    "reproduction.children": 2,
    "reproduction.capacity": 2,
    "reproduction.novelty": "pata-ec",
    "reproduction.whole_archive": "true",
    "transfer.every": 1,
    "transfer.rule": "improved",
    "encoding.name": "cppn",
    "encoding.options.obstacles": '["pit", "stump"]',
}


@pytest.fixture
def run(tmp_path, poet):
    folder = tmp_path / "run"
    choices = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    done = poet("evolve", folder, "--workers", 1, *choices)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_command_copes_with_the_encoding(run, tmp_path, poet):
    niches = json.loads(poet("inspect", run, "niches", "--json").stdout)
    assert len(niches) == 4
    assert all("relief" in niche["description"] and "pit" in niche["description"] for niche in niches[1:])
    assert "cppn (connections" in poet("inspect", run, "niche", 1).stdout
    steep = poet("inspect", run, "niches", "--where", "pit_gap>=0.4", "--json")
    assert [niche["id"] for niche in json.loads(steep.stdout)] == [1, 2, 3]
    for command in (
        ("inspect", run, "lineage"),
        ("inspect", run, "metrics"),
        ("report", run, "-o", tmp_path / "page.html"),
        ("render", run, 1, "-o", tmp_path / "strip.png"),
        ("evaluate", run, "--niches", "--episodes", 1, "--workers", 1),
        ("export", run, "-o", tmp_path / "curriculum", "--fractions", "1,0,0"),
    ):
        done = poet(*command)
        assert done.returncode == 0, done.stderr
    refused = poet("export", run, "-o", tmp_path / "other", "--split-by", "difficulty")
    assert "--split-by difficulty needs a measure of it; walker2d has none for encoding cppn" in refused.stderr
    curriculum = Curriculum.load(tmp_path / "curriculum")
    assert [task.environment.genome for task in curriculum.stages] == [niche["genome"] for niche in niches]
    assert {"cppn.weight", "relief", "parametric.pit_gap"} <= set(curriculum.document["encoding"]["genes"])
    env = curriculum.make_env()
    env.set_task(curriculum.stages[-1])
    assert np.isfinite(env.reset(seed=0)[0]).all()
    assert terrain_of(curriculum.stages[-1].environment).boxes.size


def test_report_shows_a_network_node_by_node_within_the_panel_and_offers_no_unknown_difficulty(run, tmp_path, poet):
    assert poet("report", run, "-o", tmp_path / "page.html", "--films", 1).returncode == 0
    for width in (1400, 390):
        with chromium(tmp_path / f"profile{width}", width=width) as browser:
            open_page(browser, tmp_path / "page.html")
            choices = browser.find_elements("css selector", "#sort option")
            assert [choice.get_attribute("value") for choice in choices] == ["born", "mean_return", "solved"]
            browser.find_element("css selector", ".niche[data-niche='3']").click()
            panel = browser.find_element("id", "detail")
            assert "height\nidentity(" in panel.text.replace(" identity", "\nidentity")
            assert "pit gap" in panel.text
            assert "{" not in panel.text
            script = "return arguments[0].scrollWidth <= arguments[0].clientWidth"
            assert browser.execute_script(script, panel)
            assert browser.get_log("browser") == []


def test_card_says_that_there_is_no_difficulty_and_no_level_vector(run, tmp_path, poet):
    assert poet("export", run, "-o", tmp_path / "c", "--fractions", "1,0,0").returncode == 0
    card = (tmp_path / "c" / "README.md").read_text(encoding="utf-8")
    assert "not measured for this encoding" in card
    assert "is null" in card
