"""A run is read wherever its files are: in processes that have neither its domain nor the engine that it ran on."""

import json
import os
from pathlib import Path

import pytest
import tomli_w
from runs import TOY_SETTINGS, variables
from warm import WarmCommands

from environments.domain import find_domain
from environments.weights import read_agent

SUPPORT = Path(__file__).parents[2] / "support"
WITHOUT_CORE = 'import sys; sys.modules["environments.walker2d.native._core"] = None'
VIEWS = ["summary", "niches", "lineage", "transfers", "metrics"]
needs_core = pytest.mark.skipif("native" not in find_domain("walker2d").engines, reason="needs the native engine")


@pytest.fixture(scope="module")
def stranger():
    """Run a command in a process that finds no third party's domain."""
    path = os.pathsep.join(part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part != str(SUPPORT))
    commands = WarmCommands({**os.environ, "PYTHONPATH": path, "COLUMNS": "200"})
    yield commands.run
    commands.close()


@pytest.fixture(scope="module")
def coreless():
    """Run a command in a process that finds no native core of the walker."""
    commands = WarmCommands(variables(), first=WITHOUT_CORE)
    yield commands.run
    commands.close()


def succeeds(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory, poet):
    folder = tmp_path_factory.mktemp("far")
    (folder / "toy.toml").write_text(tomli_w.dumps(TOY_SETTINGS), encoding="utf-8")
    done = poet("evolve", folder / "run", "--config", folder / "toy.toml", "--workers", 1)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_every_view_of_a_run_is_the_same_without_its_domain_but_for_what_the_domain_says(toy_run, poet, stranger):
    for view in VIEWS:
        here = json.loads(poet("inspect", toy_run, view, "--json").stdout)
        there = json.loads(succeeds(stranger("inspect", toy_run, view, "--json")))
        for entry in there if isinstance(there, list) else []:
            entry.pop("description", None)
        for entry in here if isinstance(here, list) else []:
            entry.pop("description", None)
        assert there == here, view
    (first, *_) = json.loads(succeeds(stranger("inspect", toy_run, "niches", "--json")))
    assert json.loads(first["description"]) == first["genome"]
    assert "niche" in succeeds(stranger("inspect", toy_run, "niche", 0))


def test_a_curriculum_is_exported_without_its_domain_and_says_the_same(toy_run, poet, stranger, tmp_path):
    assert poet("export", toy_run, "-o", tmp_path / "here").returncode == 0
    succeeds(stranger("export", toy_run, "-o", tmp_path / "there", "--json"))
    here, there = (
        json.loads((tmp_path / name / "curriculum.json").read_text(encoding="utf-8")) for name in ("here", "there")
    )
    for name in ("domain", "environments", "splits", "seeds", "run"):
        assert there[name] == here[name]
    agents = sorted((tmp_path / "here" / "agents").glob("*.safetensors"))
    assert agents
    controller = find_domain("toy").controller
    for agent in agents:
        twin = tmp_path / "there" / "agents" / agent.name
        assert (read_agent(agent, controller) == read_agent(twin, controller)).all()


def test_a_report_is_written_without_the_domain(toy_run, stranger, tmp_path):
    succeeds(stranger("report", toy_run, "-o", tmp_path / "report.html"))
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_what_needs_the_domain_says_that_it_is_not_installed(toy_run, stranger, tmp_path):
    sentence = "domain is 'toy'; installed domains are"
    for words in (
        ("evolve", toy_run, "--iterations", 9),
        ("render", toy_run, 0, "-o", tmp_path / "film.gif"),
        ("evaluate", toy_run, "--niches"),
    ):
        done = stranger(*words)
        assert (done.returncode, sentence in done.stderr) == (2, True), done.stderr
        assert "Traceback" not in done.stderr
        assert "defect" not in done.stderr
        assert "damaged" not in done.stderr


@needs_core
def test_a_run_on_the_native_engine_is_read_where_the_core_is_not_built(tmp_path, poet, coreless):
    run = tmp_path / "run"
    tiny = ["episode_limit=20", "es.pairs=2", "score_episodes=1", "iterations=1", "engine=native"]
    settings = [word for each in tiny for word in ("--set", each)]
    assert poet("evolve", run, *settings, "--workers", 1).returncode == 0
    for view in VIEWS:
        here = poet("inspect", run, view, "--json").stdout
        assert json.loads(succeeds(coreless("inspect", run, view, "--json"))) == json.loads(here)
    succeeds(coreless("export", run, "-o", tmp_path / "curriculum", "--fractions", "1,0,0"))
    done = coreless("evolve", run, "--iterations", 2)
    assert done.returncode == 2
    assert "engine is 'native', but the walker's C++ core cannot be imported" in done.stderr
