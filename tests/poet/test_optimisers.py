"""Every optimiser behind the seam: what all of them promise, and a run by one that the papers do not have."""

import json
import re
import signal
import subprocess
import time

import numpy as np
import pytest
import tomli_w
from cmaes import SepCMA
from runs import TOY_SETTINGS, assert_equal_archives, command, variables

from cluster.executor import InProcess
from environments.domain import Environment, find_domain
from evolution.evaluator import Evaluator
from evolution.noise import Stream, keyed_rng
from evolution.optimisers.asking import Asking
from evolution.optimisers.cmaes import CMAESSettings
from evolution.optimisers.optimiser import State
from evolution.optimisers.registry import build_options
from evolution.requests import Simulation
from poet.algorithm import evolve
from poet.archive.inspection import niche, niches, summary
from poet.archive.reading import reading
from poet.archive.rows import state_from, state_rows
from poet.archive.store import Archive
from poet.config import build
from poet.errors import InputError
from poet.population import Niche, Pair, first_population
from poet.session import Choices, open_run

PLACE = Environment(domain="toy", encoding="target", genome={"target": [0.5, 0.0, -0.3]}, seed=0)
SIMULATION = Simulation(domain="toy", seed=3)
THETA = np.array([0.4, 0.1, 0.0])
OPTIONS = {"es": {"pairs": 6, "sigma": 0.1}, "cmaes": {"population": 8, "episodes": 2}}
CMAES = {key: value for key, value in TOY_SETTINGS.items() if key != "es"} | {
    "iterations": 24,
    "optimiser": {"name": "cmaes", "options": {"population": 10, "sigma": 0.1}},
}


@pytest.fixture(params=OPTIONS)
def optimiser(request):
    return build_options(request.param, OPTIONS[request.param]).make(find_domain("toy").controller)


def run(evaluator, coroutine):
    with evaluator.side_by_side("optimise", 1) as flow:
        return flow.wait(flow.start(coroutine))


def asking(evaluator, *key):
    return Asking(key=key, simulation=SIMULATION, evaluator=evaluator, purpose="optimise")


def steps(optimiser, count):
    evaluator, state, told = Evaluator(SIMULATION, InProcess()), optimiser.fresh(THETA, np.random.default_rng(0)), []
    for number in range(count):
        state, figures = run(evaluator, optimiser.step(state, PLACE, asking(evaluator, 0, number, 0)))
        told.append(figures)
    return state, told, evaluator.tally


def assert_same(state, other):
    np.testing.assert_array_equal(state.theta, other.theta)
    assert state.parts.keys() == other.parts.keys()
    for name, part in state.parts.items():
        np.testing.assert_array_equal(part, other.parts[name], strict=True)


def test_steps_learn_and_keep_the_names_and_shapes_that_a_state_begins_with(optimiser):
    state, told, tally = steps(optimiser, 25)
    goal = np.array(PLACE.genome["target"])
    assert np.linalg.norm(state.theta - goal) < np.linalg.norm(THETA - goal) / 2
    fresh = optimiser.fresh(THETA, np.random.default_rng(0))
    assert {name: part.shape for name, part in state.parts.items()} == {n: p.shape for n, p in fresh.parts.items()}
    assert all(part.dtype == np.float64 for part in state.parts.values())
    assert all(figures.keys() == told[0].keys() for figures in told)
    assert np.isfinite([list(figures.values()) for figures in told]).all()
    assert tally.episodes["optimise"] == 25 * optimiser.episodes


def test_a_state_comes_back_from_the_archive_bit_for_bit(optimiser):
    state, *_ = steps(optimiser, 3)
    rows = state_rows(Pair(Niche(0, PLACE, None, 0), state))
    assert_same(state_from(state.theta, rows), state)


@pytest.mark.parametrize(("part", "kind"), [(np.zeros(2, np.float32), "an array of float32"), (3.0, "a float")])
def test_a_state_that_would_not_come_back_from_the_archive_is_refused(part, kind):
    with pytest.raises(ValueError, match=f"memory of an optimiser's state is {kind}; it must be an array of float64"):
        State(THETA, {"memory": part})


def test_a_visitor_is_tuned_by_a_step_that_leaves_the_incumbent_as_it_is(optimiser):
    state, *_ = steps(optimiser, 3)
    before = {name: part.copy() for name, part in state.parts.items()}
    visitor, evaluator = np.array([0.0, 0.5, 0.5]), Evaluator(SIMULATION, InProcess())
    tuned = run(evaluator, optimiser.propose(visitor, state, PLACE, asking(evaluator, 2, 0, 0, 1)))
    again = run(evaluator, optimiser.propose(visitor, state, PLACE, asking(evaluator, 2, 0, 0, 1)))
    assert tuned.shape == visitor.shape
    assert not np.array_equal(tuned, visitor)
    np.testing.assert_array_equal(tuned, again)
    for name, part in before.items():
        np.testing.assert_array_equal(state.parts[name], part)


def test_a_mover_keeps_what_it_knows_or_begins_afresh(optimiser):
    state, *_ = steps(optimiser, 3)
    rng = np.random.default_rng(0)
    assert_same(optimiser.moved(state, state.theta, "keep", rng), state)
    fresh = optimiser.fresh(THETA, np.random.default_rng(0))
    for restart in ("full", 1.0):
        assert_same(optimiser.moved(state, THETA, restart, np.random.default_rng(0)), fresh)
    half = optimiser.moved(state, THETA, 0.5, rng)
    assert half.parts["sigma"] == 0.5 * fresh.parts["sigma"]


def test_sepcma_taken_apart_after_every_step_is_the_librarys_own():
    settings, domain = CMAESSettings(population=12, episodes=3, sigma=0.2), find_domain("toy")
    state, *_ = steps(settings.make(domain.controller), 6)
    search = SepCMA(mean=THETA.copy(), sigma=0.2, population_size=12)
    for number in range(6):
        search.reseed_rng(int(keyed_rng(3, Stream.OPTIMISER, 0, number, 0).integers(2**32)))
        seeds, found = SIMULATION.episode_seeds(PLACE, (0, number, 0), 0, 3), []
        for _ in range(12):
            theta = search.ask()
            episodes = domain.rollout(np.repeat(theta[None].astype(np.float32), 3, axis=0), PLACE, seeds)
            found.append((theta, -episodes.returns.mean()))
        search.tell(found)
    np.testing.assert_array_equal(state.theta, search.mean)
    np.testing.assert_array_equal(state.parts["variances"], search._C)
    assert (state.parts["sigma"], state.parts["generation"]) == (search._sigma, 6)


def evolved(folder, config):
    archive = Archive.create(folder, config, first_population(config))
    for population, journal in evolve(archive.population, config, Evaluator(config.simulation(), InProcess())):
        archive.commit(population, journal, 0.0, 1)
    archive.close()
    return folder


def test_a_run_by_cmaes_evolves_transfers_and_survives_a_kill_with_any_workers(tmp_path, poet):
    whole = evolved(tmp_path / "whole", build(CMAES, "toy"))
    with reading(whole) as connection:
        totals, entries = summary(connection), niches(connection)
        told = niche(connection, 0)
    assert (totals["optimiser"], totals["niches"] > 2, totals["transfers"]["accepted"] > 0) == ("cmaes", True, True)
    assert any(entry["solved"] is not None for entry in entries)
    assert {"mean_return", "sigma", "longest_axis"} <= told["scores"][0].keys()
    assert "es_mean" not in told["scores"][0]
    assert told["figures"]["sigma"] == [row["sigma"] for row in told["scores"]]
    settings = tmp_path / "toy.toml"
    settings.write_text(tomli_w.dumps(CMAES))
    folder = tmp_path / "killed"
    lines = command("evolve", folder, "--config", settings, "--workers", 2)
    with subprocess.Popen(lines, env=variables(TOY_SECONDS="0.02"), stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (folder / "archive.sqlite").exists():
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
    done = poet("evolve", folder, "--config", settings, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert_equal_archives(folder, whole)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"name": "cmaes", "options": {"pairs": 3}}, "unknown setting optimiser.options.pairs; known are "),
        ({"name": "cmaes", "options": {"sigma": -1}}, "optimiser.options.sigma is -1.0; it must be in [1e-06"),
        ({"options": {"pairs": 3}}, "es.pairs is 4 and optimiser.options.pairs 3; set es.pairs"),
        ({"options": 3}, "optimiser.options is 3; it must be a table"),
    ],
)
def test_wrong_options_are_refused_by_their_name(settings, complaint):
    with pytest.raises(InputError, match=re.escape(f"here: {complaint}")):
        build({"es": {"pairs": 4}, "optimiser": settings}, "here")


def test_an_optimiser_that_is_not_installed_is_refused_with_those_that_are():
    with pytest.raises(InputError, match=r"optimiser.* is 'none'; installed optimisers are cmaes, .*es"):
        build({"optimiser": {"name": "none"}}, "here")


def test_settings_that_another_optimiser_would_not_see_are_refused_before_anything_is_written(tmp_path, poet):
    refused = poet("evolve", tmp_path / "run", "--set", "optimiser.name=cmaes", "--set", "es.pairs=3")
    assert refused.returncode == 2
    errors = [line for line in refused.stderr.splitlines() if not line.startswith("comparing")]
    assert len(errors) == 1, refused.stderr
    assert "es.pairs is a setting of the optimiser 'es', but optimiser.name is 'cmaes'" in errors[0]
    assert not (tmp_path / "run").exists()


def test_a_run_is_resumed_with_its_own_options_and_no_others(tmp_path):
    config = build(CMAES, "toy")
    Archive.create(tmp_path / "run", config, first_population(config)).close()

    def resume(population):
        overrides = {"optimiser": {"options": {"population": population}}}
        open_run(tmp_path / "run", Choices(base=None, overrides=overrides, origin="here"), {}).close()

    resume(10)
    with pytest.raises(InputError, match=r"optimiser\.options\.population was 10, is 9\): only iterations and"):
        resume(9)


def test_options_of_es_may_stand_in_either_place_and_a_run_keeps_its_optimiser():
    assert build({"optimiser": {"options": {"pairs": 9}}}, "here") == build({"es": {"pairs": 9}}, "here")
    table = build(CMAES, "here").to_table()
    assert table["optimiser"]["options"] == {"population": 10, "episodes": 4, "sigma": 0.1}
    assert "es" not in table
    assert build(json.loads(json.dumps(table)), "here") == build(CMAES, "here")
    with pytest.raises(InputError, match=r"unknown setting optimiser\.options\.pairs"):
        build({"optimiser": {"name": "cmaes", "options": {"pairs": 1}}}, "here")
