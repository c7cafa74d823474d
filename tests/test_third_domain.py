"""A domain in a package of somebody else's, installed beside ours: everything that users do works with it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from runs import SUPPORT, variables
from warm import WarmCommands

SOURCE = Path(__file__).parents[1] / "examples" / "third_domain"
SMALL = [
    *("iterations=4", "episode_limit=60", "score_episodes=2", "es.pairs=3", "reproduction.every=2", "transfer.every=2"),
    *("reproduction.parent_score=0.0", "reproduction.children=4", "minimal_criterion.lower=1.0"),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that pip installed the package into, and no other."""
    folder = tmp_path_factory.mktemp("third")
    shutil.copytree(SOURCE, folder / "source")
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*line, "--target", str(folder / "site"), str(folder / "source")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def with_package(folder):
    """The environment of a process with the package on Python's path."""
    return variables(PYTHONPATH=os.pathsep.join([str(folder / "site"), str(SUPPORT)]), MPLCONFIGDIR=str(folder))


@pytest.fixture
def commands(installed):
    found = WarmCommands(with_package(installed))
    yield found
    found.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_works_with_a_third_partys_domain(installed, commands):
    work = installed / "work"
    work.mkdir()

    def poet(*arguments):
        done = commands.run(*arguments, folder=work)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout

    config = installed / "site" / "cartpole_domain" / "quick.toml"
    small = [part for setting in SMALL for part in ("--set", setting)]
    poet("evolve", "run", "--config", config, "--workers", 2, *small)
    poet("evolve", "run", "--iterations", 5, "--workers", 1)
    summary = json.loads(poet("inspect", "run", "--json"))
    assert summary["domain"] == "cartpole"
    niches = json.loads(poet("inspect", "run", "niches", "--json"))
    assert len(niches) >= 2
    assert niches[0]["description"] == "pole 1 m, 10 N"
    assert all(niche["difficulty"] is not None for niche in niches)
    for view in ("lineage", "metrics", "timing", "transfers"):
        poet("inspect", "run", view)
    poet("report", "run", "-o", "page.html", "--films", 1)
    page = (work / "page.html").read_text(encoding="utf-8")
    assert "cartpole" in page
    assert '"outcome":' in page  # of a recorded episode
    poet("render", "run", 0, "-o", "film.gif")
    assert (work / "film.gif").read_bytes()[:4] == b"GIF8"
    poet("export", "run", "-o", "curriculum", "--fractions", "1,0,0")
    document = json.loads((work / "curriculum" / "curriculum.json").read_text(encoding="utf-8"))
    assert set(document["encoding"]["genes"]) == {"length", "force"}
    card = (work / "curriculum" / "README.md").read_text(encoding="utf-8")
    assert "tasks for cartpole" in card
    assert (work / "curriculum" / "pictures" / "courses.png").stat().st_size > 1000
    poet("evaluate", "run", "--niches", "--episodes", 1, "--workers", 1)
    suite = json.loads(poet("evaluate", "run", "--suite", "short-poles", "--episodes", 1, "--workers", 1, "--json"))
    assert "0.25 m" in json.dumps(suite)
    refused = commands.run("evaluate", "run", "--suite", "walker", folder=work)  # which it does not have
    assert refused.returncode == 2
    assert "\n" not in refused.stderr.strip()
    learner = ["--tasks", 2, "--copies", 1, "--iterations", 1, "--episode-limit", 30]
    for name, setting in (("ppo", "hidden=8"), ("maml", "hidden=[8]"), ("rl2", "hidden=8")):
        poet("meta-train", "curriculum", "-o", name, "--learner", name, "--set", setting, *learner)
        poet("meta-test", name, "--split", "train", "--adaptations", "0,1", "--episodes", 1, "--repeats", 1)


@pytest.mark.slow
def test_its_package_passes_the_contracts_that_its_readme_shows(installed):
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", installed / "source" / "tests"]
    environment = with_package(installed)
    done = subprocess.run(line, env=environment, cwd=installed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    readme = (SOURCE / "README.md").read_text(encoding="utf-8")
    shown = (SOURCE / "tests" / "test_contracts.py").read_text(encoding="utf-8")
    for contract in ('domain_contract("cartpole", ["pole"])', "encoding_contract(CartPoleEncoding)"):
        assert contract in readme
        assert contract in shown
