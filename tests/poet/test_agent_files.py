"""Agents of other kinds through the commands: begun with, resumed, filmed, exported, evaluated."""

import json
import tomllib

import numpy as np
import pytest
import torch
from runs import assert_equal_archives
from torch import nn

from environments.agent_files import load_agent
from poet.archive.store import Archive
from poet.config import build
from poet.errors import InputError

TINY = ["es.pairs=4", "episode_limit=40", "score_episodes=2", "minimal_criterion.lower=-500", "transfer.every=2"]
TINY += ["reproduction.every=1", "reproduction.parent_score=-500", "reproduction.capacity=20"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a PyTorch agent of another kind."""
    folder = tmp_path_factory.mktemp("agents")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 4))
    torch.save(network.state_dict(), folder / "net.pt")
    return folder


def evolve(poet, place, name, iterations, *more):
    line = [part for setting in TINY for part in ("--set", setting)]
    agent = ("--agent", place / "net.pt", "--activations", "relu,none")
    return poet("evolve", place / name, *agent, *line, "--iterations", iterations, "--workers", 1, *more)


@pytest.fixture(scope="module")
def run(place, poet):
    """A run that began with it."""
    done = evolve(poet, place, "run", 9)
    assert done.returncode == 0, done.stderr
    return place / "run"


def test_a_run_begins_with_the_agent_of_a_file_and_keeps_its_layers(place, run):
    settings = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))["controller"]
    assert settings == {"hidden": [12, 10], "activation": "relu", "output": "none"}
    archive = Archive.resume(run)
    np.testing.assert_array_equal(archive.first_agent(), load_agent(place / "net.pt", 24, 4).theta)
    assert all(pair.learner.theta.size == archive.first_agent().size for pair in archive.population.pairs)
    archive.close()


def test_it_resumes_to_the_archive_of_one_unbroken_by_the_same_command(place, run, poet):
    for iterations in (3, 9):
        done = evolve(poet, place, "broken", iterations, "--workers", 2)
        assert done.returncode == 0, done.stderr
    assert_equal_archives(place / "broken", run)


def test_another_agent_or_other_activations_are_refused_on_resuming(place, run, poet):
    for activations in ((), ("--activations", "tanh,none")):
        refused = poet("evolve", run, "--agent", place / "net.pt", *activations, "--iterations", 12)
        assert refused.returncode == 2
        assert "began with another agent, of 24-12-10-4, relu then none, than that of" in refused.stderr


def test_it_is_filmed_evaluated_and_exported_and_its_exports_say_what_they_are(place, run, poet):
    assert poet("render", run, 1, "-o", place / "a.png").returncode == 0
    exported = poet("export", run, "-o", place / "curriculum", "--fractions", "1,0,0")
    assert exported.returncode == 0, exported.stderr
    layers = json.loads((place / "curriculum" / "agents" / "layers.json").read_text(encoding="utf-8"))
    assert layers == {"sizes": [24, 12, 10, 4], "activation": "relu", "dtype": "float32", "output": "none"}
    card = (place / "curriculum" / "README.md").read_text(encoding="utf-8")
    assert "relu after each hidden layer, none after the last" in card
    agent = next((place / "curriculum" / "agents").glob("*.safetensors"))
    assert load_agent(agent, 24, 4).controller.activation == "relu"
    line = ("--curriculum", place / "curriculum", "--split", "train", "--episodes", 1, "--workers", 1, "--json")
    alone = json.loads(poet("evaluate", agent, *line).stdout)["results"]
    among = json.loads(poet("evaluate", run, "--agents", "all", *line).stdout)["results"]
    assert {row["mean"] for row in alone} < {row["mean"] for row in among}
    filmed = poet("render", run, 0, "--agent", agent, "-o", place / "b.png")
    assert filmed.returncode == 0, filmed.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("evolve", "new", "--agent", "none.pt"), "cannot read none.pt: no such file"),
        (("evolve", "new", "--agent", "net.onnx"), "net.onnx ends in .onnx; an agent's file ends in .safetensors"),
        (
            ("evolve", "new", "--agent", "net.pt", "--set", "controller.hidden=[3]"),
            "leave the settings controller.* to it",
        ),
        (("evolve", "new", "--activations", "relu,none"), "--activations relu,none goes with --agent FILE"),
        (
            ("evaluate", "net.pt", "--suite", "walker", "--activations", "relu"),
            "--activations is 'relu'; it must be two",
        ),
        (("evaluate", "run", "--niches", "--activations", "relu,none"), "--activations goes with an agent's file"),
        (
            ("render", "run", 0, "-o", "x.png", "--activations", "relu,none"),
            "--activations relu,none goes with --agent",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(place, run, poet, monkeypatch, line, message):
    monkeypatch.chdir(place)
    refused = poet(*line)
    assert refused.returncode == 2, refused.stderr
    assert message in refused.stderr
    assert not (place / "new").exists()


@pytest.mark.parametrize(
    ("controller", "message"),
    [
        ({"hidden": [0]}, r"controller.hidden is \[0\]; it must be a list of at most 15 sizes, each in \[1, 4096\]"),
        ({"hidden": 3}, "controller.hidden is 3; it must be a list"),
        ({"activation": "none"}, "controller.activation is 'none'; it must be one of tanh, relu"),
        ({"output": "softmax"}, "controller.output is 'softmax'; it must be one of tanh, .*none"),
    ],
)
def test_wrong_settings_of_agents_are_refused_by_name(controller, message):
    with pytest.raises(InputError, match=message):
        build({"controller": controller}, "here")
