"""Promises of the native engine: the same bits in whatever width, batch or seat, and sick worlds that harm no other."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from walkers import COURSES, NativeWalker, course

from environments.controller import tanh
from environments.domain import Batch, Environment, Outcome
from environments.walker2d import DOMAIN, native, simulator
from environments.walker2d.simulator import CONTROLLER, engine_status
from environments.walker2d.terrain import Terrain

needs_core = pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))
KERNELS = [name for name, _, usable in native.core.kernels() if usable] if native.problem() is None else []
GOLDEN = Path(__file__).parent / "golden.json"


def controllers(n, seed=0):
    rng = np.random.default_rng(seed)
    scales = rng.choice([0.1, 0.3, 0.6], n)
    return np.stack([CONTROLLER.initial_theta(rng, scale=scale) for scale in scales]).astype(np.float32)


def run(thetas, pushes, name="everything", kernel="", limit=300, threads=1):
    built = native.build_course(course(name, 4))
    return native.core.rollout([built], np.zeros(len(thetas), np.int32), thetas, pushes, limit, kernel, threads)[:3]


@pytest.fixture(scope="module")
def population():
    return controllers(70), np.random.default_rng(1).uniform(-5, 5, 70)


@pytest.fixture(scope="module")
def plain(population):
    """What the plainest kernel gives on every course."""
    return {name: run(*population, name=name, kernel="plain-4") for name in COURSES}


@needs_core
def test_widths_4_8_and_16_and_every_instruction_set_are_built_side_by_side():
    names = {name for name, _, _ in native.core.kernels()}
    assert {"plain-4", "plain-8", "plain-16"} <= names
    assert all(name.rpartition("-")[2] == str(lanes) for name, lanes, _ in native.core.kernels())


@needs_core
@pytest.mark.parametrize("name", COURSES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_width_and_instruction_set_gives_the_same_bits(population, plain, kernel, name):
    for found, wanted in zip(run(*population, name=name, kernel=kernel), plain[name], strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert len(np.unique(plain[name][0])) > 60


@needs_core
@pytest.mark.parametrize("kernel", KERNELS)
def test_elementary_functions_are_equal_in_every_kernel_and_right_to_an_ulp_or_so(kernel):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-20, 20, 200_000), rng.uniform(-1, 1, 200_000), rng.normal(0, 1e-4, 1000), [0.0]])
    x = x.astype(np.float32)
    for found, plain, exact in zip(
        native.core.functions(x, kernel), native.core.functions(x, "plain-4"), (np.sin, np.cos, np.tanh), strict=True
    ):
        np.testing.assert_array_equal(found, plain)
        wanted = exact(x.astype(np.float64))
        ulps = np.abs(found - wanted) / np.spacing(np.abs(wanted).astype(np.float32))
        assert ulps.max() < (1.4 if exact is np.tanh else 0.57)


@needs_core
def test_tanh_keeps_nan_and_saturates():
    x = np.array([np.nan, np.inf, -np.inf, 30.0, -0.0], dtype=np.float32)
    np.testing.assert_array_equal(native.core.functions(x)[2], np.array([np.nan, 1, -1, 1, 0], dtype=np.float32))


@needs_core
def test_a_row_depends_on_neither_its_batch_nor_its_seat_nor_the_threads(population):
    thetas, pushes = population
    together = run(thetas, pushes)
    order = np.random.default_rng(2).permutation(len(thetas))
    for alone, wanted in zip(run(thetas[order], pushes[order]), together, strict=True):
        np.testing.assert_array_equal(alone, wanted[order])
    for i in (0, 17, 69):
        assert [row[0] for row in run(thetas[i : i + 1], pushes[i : i + 1])] == [row[i] for row in together]
    for found, wanted in zip(run(thetas, pushes, threads=2), together, strict=True):
        np.testing.assert_array_equal(found, wanted)


@needs_core
@pytest.mark.parametrize("sickness", [np.nan, np.inf, -np.inf])
def test_a_sick_controller_diverges_at_once_and_leaves_the_others_alone(population, sickness):
    thetas, pushes = population
    healthy = run(thetas, pushes)
    sick = thetas.copy()
    sick[::7] = sickness
    returns, lengths, outcomes = run(sick, pushes)
    assert (outcomes[::7] == Outcome.DIVERGED).all()
    assert (returns[::7] == -100).all()
    assert (lengths[::7] == 1).all()
    well = np.arange(len(thetas)) % 7 != 0
    for found, wanted in zip((returns, lengths, outcomes), healthy, strict=True):
        np.testing.assert_array_equal(found[well], wanted[well])


@needs_core
@pytest.mark.parametrize(
    ("field", "value"),
    [("velocity", np.nan), ("velocity", np.inf), ("velocity", 1e38), ("spin", np.nan), ("center", 1e5), ("angle", 1e9)],
)
def test_a_broken_or_runaway_state_diverges(field, value):
    walker = NativeWalker(course("flat", 0))
    walker.reset(0.0)
    state = walker.state
    state[field][1] = value
    walker.state = state
    for _ in range(3):
        observation, reward, outcome = walker.step(np.zeros(4))
        if outcome == Outcome.DIVERGED:
            break
    assert (outcome, reward) == (Outcome.DIVERGED, -100)
    assert not observation.any()


@needs_core
@pytest.mark.parametrize("limit", [1, 37, 400])
@pytest.mark.parametrize("name", COURSES)
def test_rollouts_with_the_controller_in_the_loop_equal_the_references_to_the_last_bit(name, limit):
    environment = Environment(domain="walker2d", encoding="parametric", genome=COURSES[name].to_json(), seed=3)
    thetas, seeds = controllers(6, seed=3), np.arange(6, dtype=np.uint64)
    ours = DOMAIN.run(Batch.of(thetas, environment, seeds), episode_limit=limit, engine="native")
    theirs = DOMAIN.run(Batch.of(thetas, environment, seeds), episode_limit=limit, engine="reference")
    np.testing.assert_array_equal(ours.lengths, theirs.lengths)
    np.testing.assert_array_equal(ours.outcomes, theirs.outcomes)
    np.testing.assert_array_equal(ours.returns, theirs.returns)


@needs_core
def test_the_controllers_tanh_is_the_cores_to_the_last_bit():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-12, 12, 300_000), rng.uniform(-1, 1, 300_000), rng.normal(0, 1e-4, 1000)])
    x = np.concatenate([x, [0.0, -0.0, 0.625, 10.0, np.inf, -np.inf, np.nan]]).astype(np.float32)
    np.testing.assert_array_equal(tanh(x), native.core.functions(x)[2])


@needs_core
def test_degenerate_courses_are_refused_by_name():
    ground = np.column_stack([np.arange(5.0), np.zeros(5)])
    flat_box = np.array([[[0, 0], [1, 0], [1, 0], [0, 0]]], dtype=float)
    with pytest.raises(ValueError, match="box"):
        native.build_course(Terrain(ground, flat_box))
    ground[2, 1] = np.nan
    with pytest.raises(ValueError, match="the ground has the coordinate nan"):
        native.build_course(Terrain(ground, np.zeros((0, 4, 2))))


@needs_core
def test_native_is_the_default_where_it_is_built():
    assert next(iter(simulator.ENGINES)) == "native"
    assert engine_status()[0][:2] == ("native", True)


def test_without_the_core_the_reference_runs_and_the_reason_is_told():
    script = """
import sys
sys.modules["environments.walker2d.native._core"] = None
import numpy as np
from environments.domain import Batch, Environment
from environments.walker2d import DOMAIN
from environments.walker2d.simulator import ENGINES, engine_status
print(list(ENGINES), engine_status())
try:
    flat = Environment(domain="walker2d", encoding="parametric", genome={}, seed=0)
    DOMAIN.run(Batch.of(np.zeros((1, 2804), np.float32), flat, np.zeros(1, np.uint64)), engine="native")
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    listed, message = done.stdout.splitlines()
    assert listed.startswith("['reference'] [('reference', True,")
    assert "('native', False, \"the walker's C++ core cannot be imported" in listed
    assert message.startswith("engine is 'native', but the walker's C++ core cannot be imported")
    assert message.endswith("reinstall with a C++20 compiler: pip install .")


def golden_episodes():
    """Play the episodes that golden.json records: exact returns, and the hull's height every 25 steps."""
    rows = {}
    for name, genome in COURSES.items():
        environment = Environment(domain="walker2d", encoding="parametric", genome=genome.to_json(), seed=11)
        result = DOMAIN.run(
            Batch.of(controllers(4, seed=9), environment, np.arange(4, dtype=np.uint64)), episode_limit=400
        )
        walker = NativeWalker(course(name, 11))
        walker.reset(1.0)
        rng = np.random.default_rng(5)
        heights = []
        for step in range(200):
            walker.step(rng.uniform(-1, 1, 4).astype(np.float32))
            if step % 25 == 24:
                heights.append(float(walker.state["center"][0, 1]).hex())
        rows[name] = {
            "returns": [float(value).hex() for value in result.returns],
            "lengths": result.lengths.tolist(),
            "outcomes": result.outcomes.tolist(),
            "heights": heights,
        }
    return rows


@needs_core
def test_golden_trajectories_are_unchanged():
    found = golden_episodes()
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8")), (
        f"the native engine's results changed; if that is meant, run: python {Path(__file__).name} --write"
    )


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    GOLDEN.write_text(json.dumps(golden_episodes(), indent=1) + "\n")
