"""`poet control`: what each control does, against the rule written out, and as a user runs it."""

import json
import os
import signal
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
import tomli_w
from runs import TOY_SETTINGS, assert_equal_archives, command, variables
from studios import TINY

from cluster.executor import InProcess
from cluster.processes import Processes
from environments.domain import Environment, find_domain
from environments.encodings.heightfield import HeightfieldEncoding
from environments.encodings.parametric import GENES, RANGES, ParametricEncoding, ParametricGenome
from environments.weights import agent_bytes
from evolution.noise import Stream, keyed_rng
from evolution.optimisers.es import Learner, es_gradient, es_update
from evolution.requests import PerturbationRequest, ScoreRequest
from poet import Run
from poet.archive.inspection import summary
from poet.archive.reading import reading
from poet.config import build
from poet.controls import false_positives, folder
from poet.controls.searches import Kind, Task, advance, begin
from poet.errors import InputError
from poet.phases import Phase

TOY = build(TOY_SETTINGS, "toy")
PLACE = Environment(domain="toy", encoding="target", genome={"target": [0.2, 0.4, -0.1]}, seed=7)
WALKER = {
    "episode_limit": 60,
    "score_episodes": 2,
    "es": {"pairs": 4},
    "reproduction": {"parent_score": -150.0},
}
COURSE = {"roughness": 1.5, "pit_gap": [0.8, 1.7], "stump_height": None}


def quiet(taken):
    pass


def run_search(task, seed, wanted, workers=None):
    search = begin(task, seed)
    while search.steps < wanted:
        (search,) = advance(task, [search], wanted, workers or InProcess(), quiet)
    return search


def test_a_direct_search_is_es_in_the_niche_and_nothing_else():
    found = run_search(Task(kind=Kind.DIRECT, config=TOY, target=PLACE), 100, 12)
    simulation = replace(TOY.simulation(), seed=100)
    theta = find_domain("toy").controller.initial_theta(keyed_rng(100, Stream.INITIAL_THETA))
    learner, scores = Learner.fresh(theta, TOY.es), []
    common = {"simulation": simulation, "environment": PLACE, "start": 0}
    for step in range(12):
        theta = learner.theta.astype(np.float32)
        key = (Phase.OPTIMISE, step)
        request = PerturbationRequest(theta=theta, sigma=learner.sigma, key=key, stop=TOY.es.pairs, **common)
        gradient = es_gradient(request.noise(), request().returns.reshape(-1, 2), learner.sigma)
        learner = es_update(learner, gradient, TOY.es)
        key, theta = (Phase.SCORE, step), learner.theta.astype(np.float32)
        scores.append(ScoreRequest(theta=theta, key=key, stop=2, **common)().returns.mean())
    np.testing.assert_array_equal(found.learner.theta, learner.theta)
    assert found.scores == tuple(scores)
    assert found.episodes == 12 * (2 * TOY.es.pairs + 2)
    assert found.simulated == 10 * found.episodes


def test_a_direct_search_notes_when_it_first_solves_and_the_toy_is_solved():
    found = run_search(Task(kind=Kind.DIRECT, config=TOY, target=PLACE), 100, 60)
    enough = [step for step, score in enumerate(found.scores, start=1) if score >= 195]
    assert enough
    assert found.solved is not None
    assert found.solved in enough


def test_searches_depend_on_neither_workers_nor_company_nor_on_being_stopped(tmp_path):
    task = Task(kind=Kind.DIRECT, config=TOY, target=PLACE)
    alone = run_search(task, 101, 13)
    executor = Processes(2)
    try:
        together = [begin(task, seed) for seed in (100, 101)]
        for _ in range(3):  # slices of 5, 5 and 3
            together = advance(task, together, 13, executor, quiet)
            for search in together:
                folder.save(tmp_path, search)
            together = [folder.load(tmp_path, search.seed) for search in together]
    finally:
        executor.close()
    np.testing.assert_array_equal(together[1].learner.theta, alone.learner.theta)
    for name in ("scores", "steps", "episodes", "simulated", "solved", "environment"):
        assert getattr(together[1], name) == getattr(alone, name), name


def test_a_search_that_was_saved_when_es_alone_was_there_is_read(tmp_path):
    search = run_search(Task(kind=Kind.DIRECT, config=TOY, target=PLACE), 100, 3)
    folder.save(tmp_path, search)
    path = tmp_path / "seed-100.npz"
    with np.load(path) as file:
        new = {name: file[name] for name in file.files}
    state = json.loads(str(new["state"]))
    state |= {name: float(new[f"part {name}"]) for name in ("updates", "step_size", "sigma")}
    arrays = {name: new[f"part {name}"] for name in ("first_moment", "second_moment")}
    np.savez(path, state=np.array(json.dumps(state)), theta=new["theta"], **arrays)
    found = folder.load(tmp_path, 100)
    np.testing.assert_array_equal(found.learner.theta, search.learner.theta)
    assert found.learner.parts.keys() == search.learner.parts.keys()
    for name, part in search.learner.parts.items():
        np.testing.assert_array_equal(found.learner.parts[name], part, strict=True)


def test_a_search_can_begin_with_an_agent():
    start = np.array([0.2, 0.4, -0.1])
    assert (begin(Task(kind=Kind.DIRECT, config=TOY, target=PLACE, start=start), 5).learner.theta == start).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_path_leads_to_its_target_gene_by_gene_and_never_past_it(seed):
    encoding, rng = ParametricEncoding(), np.random.default_rng(seed)
    target = {"roughness": 5.44, "pit_gap": [4.48, 6.72], "stump_height": [1.8, 2.82]}
    goal, genome, stages = ParametricGenome.from_json(target), encoding.initial(), 0
    while ParametricGenome.from_json(genome) != goal:
        following = encoding.approach(genome, target, rng)
        assert following != genome
        before, after = ParametricGenome.from_json(genome), ParametricGenome.from_json(following)
        assert -1e-9 <= after.roughness - before.roughness <= 0.6 + 1e-9
        for name in RANGES:
            old, new, end = getattr(before, name), getattr(after, name), getattr(goal, name)
            if old is None:
                assert new in (None, GENES[name].initial if end else None)
            else:
                assert all(a <= b <= c + 1e-9 for a, b, c in zip(old, new, end, strict=True))
                assert max(np.subtract(new, old)) <= GENES[name].step + 1e-9
        genome, stages = following, stages + 1
    # The farthest gene needs 15 steps of 0.4, each taken by a coin.
    assert 15 <= stages < 80


@pytest.mark.parametrize("encoding", [ParametricEncoding(kinds=("roughness",)), HeightfieldEncoding()])
def test_a_path_between_any_two_genomes_ends_also_downwards_and_where_obstacles_vanish(encoding):
    everything = HeightfieldEncoding() if encoding.name == "field" else encoding
    rng, start = np.random.default_rng(3), everything.initial()
    full = type(encoding)(kinds=tuple({gene["obstacle"] for gene in encoding.genes().values()}))
    for _ in range(12):
        start = full.mutate(start, rng)
    for one, other in ((start, encoding.initial()), (encoding.initial(), start)):
        genome = one
        for _ in range(400):
            if np.array_equal(encoding.vector(genome), encoding.vector(other)):
                break
            genome = encoding.approach(genome, other, rng)
            encoding.check(genome)
        np.testing.assert_array_equal(encoding.vector(genome), encoding.vector(other))


def test_a_path_moves_on_only_from_what_it_could_be_a_parent_in():
    target = Environment(domain="walker2d", encoding="parametric", genome=COURSE, seed=5)
    easy = build(WALKER, "walker")
    found = run_search(Task(kind=Kind.PATH, config=easy, target=target), 100, 12)
    assert found.arrived is not None
    assert found.environment == target  # with the terrain of the target's own seed
    assert 0 < found.stage <= found.arrived
    strict = build({**WALKER, "reproduction": {"parent_score": 1000.0}}, "walker")
    stuck = run_search(Task(kind=Kind.PATH, config=strict, target=target), 100, 5)
    assert (stuck.stage, stuck.arrived, stuck.solved) == (0, None, None)
    assert ParametricEncoding().describe(stuck.environment.genome) == "flat"
    assert stuck.learner.parts["updates"] == 5
    assert found.learner.parts["updates"] < 12  # a new environment begins a new optimiser


def test_an_encoding_without_genes_to_move_is_refused_on_a_path():
    with pytest.raises(InputError, match="the target encoding has none: `poet control direct` works"):
        Task(kind=Kind.PATH, config=TOY, target=PLACE)


@pytest.fixture(scope="module")
def toy(tmp_path_factory, poet):
    """A finished toy run, and the file of its settings."""
    place = tmp_path_factory.mktemp("controls")
    (place / "toy.toml").write_text(tomli_w.dumps({**TOY_SETTINGS, "seed": 4}))
    done = poet("evolve", place / "run", "--config", place / "toy.toml", "--workers", 1)
    assert done.returncode == 0, done.stderr
    return place


def exact(theta, environment):
    return 200 - 100 * ((np.float32(theta).astype(float) - environment.genome["target"]) ** 2).sum()


def test_false_positives_are_those_whose_newcomer_is_no_better_by_the_closed_form(toy):
    with reading(toy / "run") as connection:
        found, missing = false_positives.moves(connection)
        accepted = connection.execute("SELECT count(source) FROM transfer").fetchone()[0]
    assert missing == 0
    assert len(found) == accepted > 3
    told = []
    rows = false_positives.judge(found, TOY.simulation(), 30, InProcess(), told.append)
    assert sum(told) == len(found)
    gains = [exact(move.newcomer, move.environment) - exact(move.replaced, move.environment) for move in found]
    for row, gain in zip(rows, gains, strict=True):
        assert row["newcomer"] - row["replaced"] == pytest.approx(gain, abs=1e-3)  # the same noise for both
        if abs(gain) > 1e-3:
            assert row["false_positive"] == (gain < 0)
    whole = false_positives.rates(rows)[0]
    assert whole["false_positives"] == sum(row["false_positive"] for row in rows)
    assert whole["mean_gain"] == pytest.approx(np.mean(gains), abs=1e-3)


def test_a_sample_of_transfers_is_drawn_evenly_and_kept_in_order():
    drawn = [number for seed in range(300) for number in false_positives.sample(range(20), 5, seed)]
    counts = np.bincount(drawn)
    assert counts.sum() == 1500
    assert (abs(counts - 75) < 35).all()  # four standard deviations
    assert false_positives.sample(range(20), 5, 1) == sorted(false_positives.sample(range(20), 5, 1))
    assert false_positives.sample(range(3), 5, 1) == [0, 1, 2]


def test_no_transfers_give_no_rate():
    assert false_positives.rates([]) == [
        {"transfers": "all", "number": 0, "false_positives": 0, "rate": None, "interval": None, "mean_gain": None}
    ]


def read(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_direct_control_killed_in_the_middle_goes_on_to_what_it_would_have_found(toy, tmp_path, poet):
    common = ["control", "direct", toy / "run", 1, "--seeds", 2, "--steps", 22, "--workers", 1, "--json"]
    whole = read(poet(*common, "-o", tmp_path / "whole"))
    process = subprocess.Popen(
        command(*common, "-o", tmp_path / "cut"),
        env=variables(TOY_SECONDS="0.02"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "cut" / "seed-101.npz").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 0 < folder.load(tmp_path / "cut", 101).steps < 22
    again = read(poet(*common, "-o", tmp_path / "cut"))
    assert again == whole
    assert [row["steps"] for row in whole["searches"]] == [22, 22]
    assert whole["steps"] == 22


def test_a_control_goes_on_that_was_begun_before_there_was_a_choice_of_optimisers(toy, tmp_path, poet):
    common = ["control", "direct", toy / "run", 1, "-o", tmp_path / "d", "--seeds", 1, "--workers", 1, "--json"]
    read(poet(*common, "--steps", 2))
    plan = json.loads((tmp_path / "d" / "control.json").read_text(encoding="utf-8"))
    del plan["settings"]["optimiser"]
    (tmp_path / "d" / "control.json").write_text(json.dumps(plan), encoding="utf-8")
    assert read(poet(*common, "--steps", 3))["steps"] == 3


def test_a_control_takes_as_many_steps_as_the_run_did_and_its_table_says_so(toy, tmp_path, poet):
    with reading(toy / "run") as connection:
        niche, solved = connection.execute(
            "SELECT id, solved FROM niche WHERE solved IS NOT NULL ORDER BY solved LIMIT 1"
        ).fetchone()
    done = poet("control", "direct", toy / "run", niche, "-o", tmp_path / "d", "--seeds", 1, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert f"solved it in {solved + 1} steps; the run solved it in {solved + 1}" in done.stdout
    assert folder.load(tmp_path / "d", 100).steps == solved + 1


def test_ground_that_a_person_drew_is_searched_like_any_other(tmp_path, poet):
    run = Run.create(tmp_path / "run", settings={**TINY, "seed": 4})
    drawn = {"ground": [], "boxes": [[30.0, 0.0, 0.5, 0.6]]}
    run.inject(Environment(domain="walker2d", encoding="drawn", genome=drawn, seed=0))
    run.evolve(3, workers=1, rescore=False)
    (niche,) = (each.id for each in run.niches if each.environment.encoding == "drawn")
    common = (run.folder, niche, "-o", tmp_path / "d", "--seeds", 1, "--steps", 1, "--workers", 1)
    found = read(poet("control", "direct", *common, "--json"))
    assert found["description"] == found["searches"][0]["environment"] == "drawn: 1 box"
    refused = poet("control", "path", *common)
    assert (refused.returncode, "the drawn encoding has none" in refused.stderr) == (2, True)


def test_a_run_without_iterations_asks_for_steps(tmp_path, poet):
    Run.create(tmp_path / "run", settings=TOY_SETTINGS)
    done = poet("control", "direct", tmp_path / "run", 0, "-o", tmp_path / "d", "--workers", 1)
    assert (done.returncode, "has no iteration yet" in done.stderr) == (2, True)
    assert not (tmp_path / "d").exists()


def test_wrong_controls_are_refused_in_a_sentence(toy, tmp_path, poet):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("hours of it")
    done = poet("control", "direct", toy / "run", 0, "-o", tmp_path / "mine")
    assert done.returncode == 2
    assert "is not empty and holds no control" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["work.txt"]


def test_a_folder_of_another_control_is_not_gone_on_with(tmp_path):
    folder.open_folder(tmp_path / "c", {"control": "direct", "niche": 1})
    folder.open_folder(tmp_path / "c", {"control": "direct", "niche": 1})
    with pytest.raises(InputError, match="holds a control with another niche; name another folder"):
        folder.open_folder(tmp_path / "c", {"control": "direct", "niche": 2})


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"PK\x03\x04 cut"])
def test_a_damaged_search_is_named_and_not_run_over(tmp_path, content):
    (tmp_path / "seed-100.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"seed-100.npz is damaged .*; remove it to run that search again"):
        folder.load(tmp_path, 100)


def test_an_agent_file_begins_a_control_and_is_part_of_what_the_control_is(toy, tmp_path, poet):
    for number, theta in enumerate(([0.1, 0.2, 0.3], [0.3, 0.2, 0.1])):
        content = agent_bytes(find_domain("toy").controller, np.array(theta))
        (tmp_path / f"{number}.safetensors").write_bytes(content)
    common = ["control", "direct", toy / "run", 1, "-o", tmp_path / "d", "--seeds", 1, "--steps", 1, "--workers", 1]
    read(poet(*common, "--agent", tmp_path / "0.safetensors", "--json"))
    done = poet(*common, "--agent", tmp_path / "1.safetensors")
    assert done.returncode == 2
    assert "holds a control with another agent" in done.stderr


def test_transfers_are_judged_from_the_command_line(toy, poet):
    found = read(poet("control", "transfers", toy / "run", "--episodes", 5, "--most", 4, "--workers", 1, "--json"))
    assert found["judged"] == 4 == len(found["transfers"])
    assert found["rates"][0]["transfers"] == "all"
    low, high = found["rates"][0]["interval"]
    assert 0 <= low <= found["rates"][0]["rate"] <= high <= 1


def test_runs_without_transfer_are_those_that_evolve_makes_whenever_they_are_stopped(toy, tmp_path, poet):
    common = [
        "control",
        "no-transfer",
        tmp_path / "c",
        "--config",
        toy / "toy.toml",
        "--first-seed",
        4,
        "--workers",
        1,
        "--json",
    ]
    read(poet(*common, "--iterations", 7))
    rows = {row["variant"]: row for row in read(poet(*common, "--iterations", 32))["runs"]}
    assert rows["with-transfer"]["transfers"] > 0
    assert rows["without-transfer"]["transfers"] == 0
    assert rows["without-transfer"]["iterations"] == 32
    settings = ["--set", "transfer.rule=none", "--set", "reproduction.whole_archive=true", "--seed", 4]
    done = poet("evolve", tmp_path / "e", "--config", toy / "toy.toml", *settings, "--iterations", 32, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert_equal_archives(tmp_path / "c" / "without-transfer-4", tmp_path / "e")


def test_novelties_are_compared_from_the_same_seeds(toy, tmp_path, poet):
    common = ["control", "novelty", tmp_path / "n", "--config", toy / "toy.toml", "--iterations", 18, "--workers", 1]
    rows = {row["variant"]: row for row in read(poet(*common, "--json"))["runs"]}
    assert set(rows) == {"encoding", "pata-ec"}
    for name, row in rows.items():
        with reading(tmp_path / "n" / f"{name}-0") as connection:
            inspected = summary(connection)
        assert inspected["novelty"]["measure"] == name
        assert row["admitted"] == inspected["niches"] - 1 > 1
        assert row["steps"] == sum(inspected["steps"].values())
        assert row["spread"] > 0
