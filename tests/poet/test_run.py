"""The Python face, as who writes a script or a notebook meets it."""

import doctest
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing

import numpy as np
import pytest
import torch
from runs import SUPPORT, TOY_SETTINGS, assert_equal_archives, variables
from safetensors.numpy import load_file

import poet.errors
import poet.niches
import poet.run
from cluster.executor import InProcess
from environments.controller import ACTIVATIONS, Controller
from environments.domain import Batch, Environment, find_domain
from poet import Agent, InputError, Run
from poet import archive as archives
from poet.archive import inspection
from poet.archive.store import Archive

TINY = {"seed": 3, "es.pairs": 2, "episode_limit": 60}


def target(*numbers, seed=7):
    return Environment(domain="toy", encoding="target", genome={"target": list(numbers)}, seed=seed)


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory):
    run = Run.create(tmp_path_factory.mktemp("run") / "toy", config=TOY_SETTINGS)
    run.evolve(workers=1)
    return run


@pytest.fixture(scope="module")
def walker_run(tmp_path_factory):
    run = Run.create(tmp_path_factory.mktemp("run") / "walker", settings=TINY)
    run.evolve(1, workers=1)
    return run


def test_examples_of_the_documentation_say_what_happens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = [doctest.testmod(module) for module in (poet.run, poet.niches, poet.errors)]
    assert [result.failed for result in found] == [0, 0, 0]
    assert all(result.attempted >= 2 for result in found)


def test_importing_the_face_loads_nothing_until_it_is_used():
    code = "import sys, poet; print('numpy' in sys.modules, set(poet.__all__) <= set(dir(poet)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    assert all(getattr(poet, name).__name__ == name for name in poet.__all__)


def test_run_of_the_face_equals_one_of_the_command_line_in_however_many_calls(toy_run, toy_file, tmp_path, poet):
    assert poet("evolve", tmp_path / "line", "--config", toy_file, "--workers", 1).returncode == 0
    assert_equal_archives(toy_run.folder, tmp_path / "line")
    run = Run.create(tmp_path / "calls", config=toy_file, settings={"iterations": 5})
    for iterations in (5, 6, 36):
        run.evolve(iterations, executor=InProcess())
    assert_equal_archives(run.folder, tmp_path / "line")


def test_answers_are_those_of_the_command_line(toy_run, poet):
    for view in ("summary", "niches"):
        assert toy_run.inspect(view) == json.loads(poet("inspect", toy_run.folder, view, "--json").stdout)
    assert toy_run.inspect("niche", 1)["scores"] == toy_run.scores(1)
    with pytest.raises(InputError, match="view is 'films'; it must be one of summary"):
        toy_run.inspect("films")
    with pytest.raises(InputError, match="there is no niche 999"):
        toy_run.scores(999)


def test_objects_say_what_the_rows_say(toy_run):
    rows = {row["id"]: row for row in toy_run.inspect("niches")}
    for niche in toy_run.niches:
        row = rows[niche.id]
        assert (niche.parent, niche.born, niche.solved, niche.best_score) == (
            row["parent"],
            row["born"],
            row["solved"],
            row["best_score"],
        )
        assert (niche.environment.id, niche.environment.genome) == (row["environment"], row["genome"])
        assert niche.active == (row["retired"] is None)
        # A frame is made of rows that all have the same scalars.
        assert {"id", "environment", "gene.target", "mean_return"} <= niche.row().keys()
    for descent in toy_run.lineage:
        assert descent.ancestors == tuple(toy_run.inspect("niche", descent.id)["ancestors"])
        assert all(toy_run.lineage[child].parent == descent.id for child in descent.children)
    assert sum(row["episodes"] for row in toy_run.costs()) == sum(toy_run.summary()["episodes"].values())
    assert sum(row["source"] is not None for row in toy_run.transfers()) == toy_run.summary()["transfers"]["accepted"]
    assert len(toy_run.children()) == sum(toy_run.summary()["children"].values())
    assert len(toy_run.metrics()) == toy_run.iteration == 36
    origins = [agent.origin for agent in toy_run.kept_agents]
    assert origins[0] == "initial"
    assert "admitted" in origins


def test_agent_acts_as_the_reference_and_is_the_file_and_the_network(walker_run, tmp_path):
    agent = walker_run.agents[0]
    observations = np.random.default_rng(0).uniform(-1, 1, (5, 24)).astype(np.float32)
    act = agent.controller.policy(agent.theta)
    np.testing.assert_array_equal(agent.act(observations), np.stack([act(one) for one in observations]))
    np.testing.assert_array_equal(agent.act(observations[0].tolist()), act(observations[0]))
    with torch.no_grad():
        acted = agent.to_torch()(torch.from_numpy(observations)).numpy()
    np.testing.assert_allclose(acted, agent.act(observations), atol=1e-6)
    agent.save(tmp_path / "agent.safetensors")
    tensors = load_file(tmp_path / "agent.safetensors")
    np.testing.assert_array_equal(tensors["0.weight"].T.reshape(-1), agent.theta[: 24 * 40])
    with pytest.raises(InputError, match=r"shape \(23,\); it must be \(24,\) or \(n, 24\)"):
        agent.act(np.zeros(23))
    with pytest.raises(InputError, match=r"ends in \.pt; an agent is saved as \.safetensors"):
        agent.save(tmp_path / "agent.pt")
    with pytest.raises(ValueError, match="read-only"):
        agent.theta[0] = 1.0


def test_episode_of_a_niche_and_its_agent_is_the_engines(walker_run):
    """The reference environment stepped by hand, against the domain's own rollout."""
    niche = walker_run.niches[0]
    env = niche.make_env()
    observation, _ = env.reset(seed=5)
    score, over = 0.0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(niche.agent.act(observation))
        score, over = score + reward, terminated or truncated
    seeds = np.array([5], dtype=np.uint64)
    rollouts = find_domain("walker2d").run(
        Batch.of(niche.agent.theta[None], niche.environment, seeds), episode_limit=TINY["episode_limit"]
    )
    assert score == pytest.approx(rollouts.returns[0], abs=1e-6)


@pytest.mark.parametrize("output", [*ACTIVATIONS, "none"])
@pytest.mark.parametrize("hidden", ["tanh", "elu"])
def test_networks_of_every_kind_act_as_their_agents(hidden, output):
    controller = Controller((5, 8, 3), hidden, output)
    theta = np.random.default_rng(1).normal(0, 2, controller.parameters).astype(np.float32)
    agent = Agent(niche=0, domain="toy", controller=controller, theta=theta)
    observations = np.random.default_rng(2).normal(0, 1, (9, 5)).astype(np.float32)
    with torch.no_grad():
        acted = agent.to_torch()(torch.from_numpy(observations)).numpy()
    np.testing.assert_allclose(acted, agent.act(observations), atol=2e-6)


def test_own_agent_is_begun_with_from_file_network_array_or_another_run(tmp_path):
    network = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    flat = [network[0].weight.T.flatten(), network[0].bias, network[2].weight.T.flatten(), network[2].bias]
    theta = torch.cat(flat).detach().numpy()
    run = Run.create(tmp_path / "network", config=TOY_SETTINGS, agent=network)
    np.testing.assert_array_equal(run.agents[0].theta, theta)
    assert run.agents[0].controller == Controller((2, 4, 1), "relu", "none")
    run.agents[0].save(tmp_path / "agent.safetensors")
    controller = {"controller": {"hidden": [4], "activation": "relu", "output": "none"}}
    others = {
        "file": {"agent": tmp_path / "agent.safetensors"},
        "run": {"agent": run.agents[0]},
        "array": {"agent": theta, "settings": controller},
    }
    for name, options in others.items():
        other = Run.create(tmp_path / name, config=TOY_SETTINGS, **options)
        assert_equal_starts(other, run)
        again = Run.create(tmp_path / name, config=TOY_SETTINGS, exist_ok=True, **options)
        assert again.iteration == 0
    with pytest.raises(InputError, match="holds a run that began with another agent"):
        Run.create(tmp_path / "run", agent=run.agents[0].theta * 2, exist_ok=True)


def assert_equal_starts(run, other):
    assert run.config == other.config
    assert [agent.id for agent in run.agents] == [agent.id for agent in other.agents]


class Odd(torch.nn.Module):
    """Has the layers of an agent, and does something else with them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(2, 4), torch.nn.Linear(4, 1)
        self.layers = torch.nn.ModuleList([self.first, self.second])
        del self.first, self.second

    def forward(self, seen):
        return self.layers[1](torch.sin(self.layers[0](seen)))


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        (np.zeros(4), r"theta has shape \(4,\); an agent of 2-1 has \(3,\)"),
        (np.array([0.0, np.nan, 1.0]), "theta holds numbers that are not finite"),
        ("nobody.safetensors", "cannot read nobody.safetensors: no such file"),
        ("agent.onnx", "ends in .onnx; an agent's file ends in"),
        (object(), "agent is object; it must be a file's path"),
        (torch.nn.Linear(3, 1), "the network Linear holds no network"),
        (torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.GELU(), torch.nn.Linear(4, 1)), "has a module GELU"),
        (Odd(), "does not act as its linear layers with tanh between them"),
    ],
)
def test_agents_that_cannot_begin_are_refused_in_a_sentence_and_nothing_is_written(tmp_path, agent, message):
    with pytest.raises(InputError, match=message):
        Run.create(tmp_path / "run", config=TOY_SETTINGS, agent=agent)
    assert not (tmp_path / "run").exists()


def test_own_start_environments_are_pairs_with_the_agent_and_evolve_exactly(tmp_path, toy_file, poet):
    starts = [target(0.5, -0.2, 0.1), target(0.2, 0.4, 0.0)]
    (tmp_path / "one.json").write_text(starts[0].to_json())
    (tmp_path / "list.json").write_text(json.dumps([json.loads(starts[1].to_json())]))
    run = Run.create(tmp_path / "run", config=TOY_SETTINGS, environments=starts)
    assert [(niche.environment, niche.parent, niche.born) for niche in run.niches] == [
        (each, None, 0) for each in starts
    ]
    assert len({agent.id for agent in run.agents}) == 1
    run.evolve(workers=1)
    files = ("--environment", tmp_path / "one.json", "--environment", tmp_path / "list.json")
    line = ("evolve", tmp_path / "line", "--config", toy_file, "--workers", 1)
    assert poet(*line, *files, "--iterations", 9).returncode == 0
    refused = poet(*line, *files[:2])
    assert refused.returncode == 2
    assert "holds a run that began in other environments" in refused.stderr
    assert poet(*line, *files, "--iterations", 36).returncode == 0
    assert_equal_archives(run.folder, tmp_path / "line")
    assert {niche.parent is None for niche in run.niches[2:]} == {False}
    assert all(row["works"] for row in run.examine())


@pytest.mark.parametrize(
    ("environments", "message"),
    [
        ([], "environments is empty"),
        ([target(1, 2)], "the environment is refused: target is"),
        (3, "environments is int"),
        ({"domain": "toy", "encoding": "target"}, "an environment is a JSON object with the keys"),
        ([target(0, 0, 0, seed=n) for n in range(4)], "4 environments are too many to begin with"),
        (Environment(domain="walker2d", encoding="parametric", genome={}, seed=1), "is one of walker2d"),
        ("missing.json", "cannot read missing.json"),
    ],
)
def test_environments_that_cannot_begin_are_refused_in_a_sentence(tmp_path, environments, message):
    with pytest.raises(InputError, match=message):
        Run.create(tmp_path / "run", config=TOY_SETTINGS, environments=environments)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "quick", "config": {}}, "preset and config exclude each other"),
        ({"preset": "quickest"}, "preset is 'quickest'; presets are"),
        ({"settings": {"es.pears": 3}}, "unknown setting es.pears"),
        ({"settings": {"es..pairs": 3}}, r"a key 'es\.\.pairs'"),
        ({"settings": {"es.pairs": "many"}}, "es.pairs is 'many'"),
        ({"settings": {"seed": object()}}, "it must be what TOML can hold"),
        ({"settings": ["seed"]}, r"settings is \['seed'\]; it must be a table"),
        ({"config": 3}, "config is 3; it must be a table, a Config or a TOML file's path"),
        ({"activations": ("relu", "none")}, "goes with an agent"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence_and_nothing_is_written(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        Run.create(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_mistakes_with_a_run_are_refused_in_a_sentence(toy_run, tmp_path):
    two = tmp_path / "two.json"
    two.write_text(f"[{','.join(2 * [toy_run.niches[0].environment.to_json()])}]")
    calls = {
        "holds a run already": lambda: Run.create(toy_run.folder, config=TOY_SETTINGS),
        "holds no run: there is no": lambda: Run.open(tmp_path),
        "holds no run": lambda: Run(tmp_path / "none").evolve(),
        "iterations is 3; this run has done 36": lambda: toy_run.evolve(3),
        "iterations is 0; it must be a whole number": lambda: toy_run.evolve(0),
        "workers and executor exclude": lambda: toy_run.evolve(workers=1, executor=InProcess()),
        "workers is 5000; it must be in": lambda: toy_run.evolve(workers=5000),
        "split_by is 'luck'; it must be one of lineage": lambda: toy_run.export(tmp_path / "out", split_by="luck"),
        "report is a page": lambda: toy_run.report(tmp_path / "page.pdf"),
        "there is no folder": lambda: toy_run.report(tmp_path / "none" / "page.html"),
        "a picture ends in": lambda: toy_run.render(0, tmp_path / "film.mov"),
        "holds 2 environments; show them one": lambda: toy_run.render(0, tmp_path / "film.png", environment=two),
        "evaluate on one of": toy_run.evaluate,
    }
    for message, call in calls.items():
        with pytest.raises(InputError, match=message):
            call()


def test_export_is_the_command_lines_to_the_byte(toy_run, tmp_path, poet):
    document = toy_run.export(tmp_path / "ours", fractions=(1, 0, 0))
    assert poet("export", toy_run.folder, "-o", tmp_path / "theirs", "--fractions", "1,0,0").returncode == 0
    ours = {path.name: path.read_bytes() for path in (tmp_path / "ours").rglob("*.*")}
    assert ours == {path.name: path.read_bytes() for path in (tmp_path / "theirs").rglob("*.*")}
    assert len(document["environments"]) == len(toy_run.niches)


def test_evaluation_and_fresh_episodes_are_the_command_lines(tmp_path, toy_file, poet):
    run = Run.create(tmp_path / "run", config=toy_file, settings={"iterations": 6})
    run.evolve(workers=1, rescore=False)
    assert run.niches[0].mean_return is None
    heard = []
    assert run.rescore(workers=1, progress=lambda done, total: heard.append((done, total))) == len(run.niches)
    assert heard[-1][0] == heard[-1][1] == 20 * len(run.niches)
    assert run.niches[0].mean_return is not None
    ours = run.evaluate(niches=True, workers=1, episodes=2)
    line = poet("evaluate", run.folder, "--niches", "--workers", 1, "--episodes", 2, "--json")
    assert ours == json.loads(line.stdout)


def test_progress_is_told_and_nothing_is_printed_or_configured(tmp_path, capfd, caplog):
    run = Run.create(tmp_path / "run", config=TOY_SETTINGS)
    handlers, told = list(logging.getLogger().handlers), []
    with caplog.at_level(logging.INFO):
        run.evolve(4, workers=1, progress=told.append)
    assert [each.iteration for each in told] == [1, 2, 3, 4]
    assert told[-1].scores == {0: run.scores(0)[-1]["score"]}
    assert logging.getLogger().handlers == handlers
    assert capfd.readouterr() == ("", "")


def test_reader_in_the_same_process_blocks_no_writer(tmp_path):
    run = Run.create(tmp_path / "run", config=TOY_SETTINGS)
    with archives.reading(run.folder) as connection, archives.one_moment(connection):
        assert len(inspection.metrics(connection)) == 0
        run.evolve(3, workers=1)
        assert len(inspection.metrics(connection)) == 0  # still the moment that it looks at
    assert len(run.metrics()) == 3


def test_threads_evolve_runs_side_by_side_and_one_run_only_once(tmp_path):
    runs = [Run.create(tmp_path / name, config=TOY_SETTINGS) for name in "ab"]
    threads = [threading.Thread(target=run.evolve, args=(9,), kwargs={"workers": 1}) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.iteration for run in runs] == [9, 9]
    assert_equal_archives(runs[0].folder, runs[1].folder)
    with closing(Archive.resume(runs[0].folder)), pytest.raises(InputError, match="another process is evolving"):
        runs[0].evolve(12, workers=1)


SCRIPT = """
import signal, sys
from runs import TOY_SETTINGS
from poet import Run
print("once", flush=True)
before = signal.getsignal(signal.SIGINT)
run = Run.create(sys.argv[1], config=TOY_SETTINGS, settings={"iterations": 100000})
try:
    run.evolve(workers=2, progress=lambda told: print(told.iteration, flush=True))
except KeyboardInterrupt:
    assert signal.getsignal(signal.SIGINT) is before
    print("interrupted at", run.iteration, flush=True)
    run.evolve(run.iteration + 2, workers=1)
    print("went on to", run.iteration, flush=True)
"""


def test_ctrl_c_leaves_what_is_on_disk_raises_keyboardinterrupt_and_the_script_goes_on(tmp_path):
    """A script without `if __name__ == "__main__"`, whose workers must not run it again."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(tmp_path / "run")]
    environment = variables(TOY_SECONDS="0.01", PYTHONPATH=str(SUPPORT))
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert process.stdout.readline() == "once\n"
    for line in process.stdout:
        if line == "3\n":
            break
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the group
    out, complaints = process.communicate(timeout=60)
    last = out.splitlines()[-2:]
    assert [line.rsplit(" ", 1)[0] for line in last] == ["interrupted at", "went on to"], (out, complaints)
    done = [int(line.rsplit(" ", 1)[1]) for line in last]
    assert done[1] == done[0] + 2 >= 5
    assert "once" not in out
    assert "Traceback" not in complaints
    whole = Run.create(tmp_path / "whole", config=TOY_SETTINGS, settings={"iterations": done[1]})
    whole.evolve(workers=1)
    ours, theirs = Run.open(tmp_path / "run"), whole
    assert ours.inspect("niches") == theirs.inspect("niches")
    assert ours.metrics() == theirs.metrics()


def test_handler_of_ones_own_is_left_alone(tmp_path):
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        run = Run.create(tmp_path / "run", config=TOY_SETTINGS)
        run.evolve(3, workers=1, progress=lambda told: os.kill(os.getpid(), signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(heard) == 3
    assert run.iteration == 3


def test_failing_listener_leaves_what_is_on_disk(tmp_path):
    run = Run.create(tmp_path / "run", config=TOY_SETTINGS)

    def refuse(told):
        raise LookupError(told.iteration)

    with pytest.raises(LookupError):
        run.evolve(5, workers=1, progress=refuse)
    assert run.iteration == 1
    run.evolve(5, workers=1)
    assert run.iteration == 5
