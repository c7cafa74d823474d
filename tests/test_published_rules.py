"""The program against stored outputs of the published rules, which a plain reference made from facts.

What is stored came from `tests/support/published_rules.py`, never from the program, so neither can drift alone.
"""

import json

import numpy as np
import pytest
from published_rules import (
    COURSES,
    FLAT,
    LINE,
    NETWORKS,
    RECORD,
    SEEDS,
    es_inputs,
    record,
    scores,
)

from environments.domain import find_domain
from environments.encodings.cppn import CPPNEncoding, relief, scaled
from environments.encodings.parametric import ParametricGenome
from environments.walker2d.terrain import cppn_inputs, cppn_published_inputs, express
from evolution.minimal_criterion import MinimalCriterion
from evolution.novelty import novelty, pata_ec
from evolution.optimisers.es import Learner, es_gradient, es_update
from poet.config import build, read_preset

EXACT = {"rtol": 1e-11, "atol": 1e-11}


@pytest.fixture(scope="module")
def stored():
    return json.loads(RECORD.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def original():
    return build(read_preset("original"), "original")


def assert_close(found, expected, path="record"):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), path
        for key, value in expected.items():
            assert_close(found[key], value, f"{path}.{key}")
    elif expected is None:
        assert found is None, path
    elif expected and isinstance(expected, list) and isinstance(expected[0], dict):
        assert len(found) == len(expected), path
        for number, value in enumerate(expected):
            assert_close(found[number], value, f"{path}[{number}]")
    else:
        np.testing.assert_allclose(found, expected, err_msg=path, **EXACT)


def test_the_plain_reference_still_gives_what_is_stored(stored):
    assert_close(json.loads(json.dumps(record())), stored)


def test_es_steps_are_the_published_ones(stored, original):
    theta, rounds = es_inputs()
    learner = Learner.fresh(np.array(theta), original.es)
    for (noise, returns), expected in zip(rounds, stored["es"], strict=True):
        exact = np.array(noise)  # in double precision, as the reference's
        gradient = es_gradient(exact, np.array(returns), learner.sigma)
        learner = es_update(learner, gradient, original.es)
        np.testing.assert_allclose(learner.theta, expected["theta"], **EXACT)
        assert (learner.sigma, learner.step_size) == pytest.approx((expected["sigma"], expected["step_size"]))


@pytest.mark.parametrize("name", COURSES)
@pytest.mark.parametrize("seed", SEEDS)
def test_courses_are_drawn_as_published(stored, name, seed):
    expected = stored["courses"][f"{name} {seed}"]
    ranges = {gene: tuple(value) if isinstance(value, list) else value for gene, value in COURSES[name].items()}
    terrain = express(ParametricGenome(**ranges), seed)
    np.testing.assert_allclose(terrain.ground[::9], expected["ground"], **EXACT)
    low, high = terrain.boxes.min(axis=1), terrain.boxes.max(axis=1)
    boxes = np.column_stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]])
    np.testing.assert_allclose(boxes[:3], np.array(expected["boxes"]).reshape(-1, 4), **EXACT)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_original_preset_mutates_as_published(stored, original, seed):
    encoding, rng, genome = original.make_encoding(), np.random.default_rng(seed), FLAT
    for expected in stored["mutation"][str(seed)][1 : LINE + 1]:
        genome = encoding.mutate(genome, rng)
        assert {gene: genome[gene] for gene in expected} == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_the_original_presets_novelty_is_the_published_one(stored, original, seed):
    encoding = original.make_encoding()
    *archive, last = (encoding.vector(genome) for genome in stored["mutation"][str(seed)])
    found = novelty(last, np.stack(archive), original.reproduction.neighbours)
    assert found == pytest.approx(stored["novelty"][str(seed)], rel=1e-12)


def test_pata_ec_without_ties_is_the_published_one(stored):
    found = pata_ec(np.array(scores()), MinimalCriterion(lower=50.0, upper=300.0))
    np.testing.assert_allclose(found, stored["pata_ec"], **EXACT)


@pytest.mark.parametrize("name", NETWORKS)
def test_relief_of_a_cppn_is_brought_into_the_published_bounds(stored, name):
    encoding = CPPNEncoding(cppn_inputs(), published=cppn_published_inputs())
    found = scaled(NETWORKS[name], encoding.measure, np.random.default_rng(8))
    expected = stored["cppn_response"][name]
    if expected is None:
        assert found is None
    else:
        assert found["nodes"][0]["response"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_ground_of_a_cppn_is_the_published_one(stored, name):
    found = relief(NETWORKS[name], cppn_inputs())
    np.testing.assert_allclose(found[::6], stored["cppn_heights"][name], rtol=1e-9, atol=1e-9)


def test_the_enhanced_preset_bounds_relief_as_published():
    encoding = build(read_preset("enhanced"), "enhanced").make_encoding()
    np.testing.assert_array_equal(encoding.published[:, 0], [(i - 100) / 100 for i in range(200)])
    walked = find_domain("walker2d").encoding("cppn", {})
    higher = 0
    for seed in range(20):
        rng, genome = np.random.default_rng(seed), encoding.initial()
        for _ in range(15):
            genome = encoding.mutate(genome, rng)
            assert 0.25 - 1e-9 <= encoding.measure(genome["cppn"]) <= 16 + 1e-9
            higher += walked.measure(genome["cppn"]) > 16
    assert higher > 0  # elsewhere the ground may leave the bounds, as published
