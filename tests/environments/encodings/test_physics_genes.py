"""Genes of hidden physics beside those of any ground: how they vary, what they are written as, what is refused."""

import json
from itertools import pairwise

import numpy as np
import pytest

from environments.contracts import encoding_contract
from environments.domain import Environment, find_domain
from environments.encodings.physics import SECTION, ground_of, physics_of
from environments.walker2d.physics import GENES

WALKER, HEXAPOD, QUADRUPED = (find_domain(name) for name in ("walker2d", "hexapod3d", "quadruped3d"))
LEGGED = ["motors", "delay", "friction", "load", "lost"]
ALL = list(GENES)
OPTIONS = {
    "parametric": {"kinds": ["roughness", "pit"]},
    "cppn": {"obstacles": ["pit"]},  # the mixed encoding
    "drawn": {},
}


def make(name, physics=ALL):
    return WALKER.encoding(name, {**OPTIONS[name], SECTION: physics})


TestParametric = encoding_contract(lambda: make("parametric"))
TestMixed = encoding_contract(lambda: make("cppn"))
TestDrawn = encoding_contract(lambda: make("drawn"))
TestHexapod = encoding_contract(lambda: HEXAPOD.encoding("parametric", {SECTION: LEGGED}))
TestHexapodCPPN = encoding_contract(lambda: HEXAPOD.encoding("cppn", {SECTION: LEGGED}))
TestHexapodJointsDrawn = encoding_contract(lambda: find_domain("hexapod3d-joints").encoding("drawn", {SECTION: LEGGED}))
TestQuadruped = encoding_contract(lambda: QUADRUPED.encoding("parametric", {SECTION: LEGGED}))


@pytest.mark.parametrize("name", OPTIONS)
def test_ground_descends_as_it_does_without_them(name):
    """What is drawn for the body is drawn after what is drawn for the ground."""
    plain, hidden = make(name, []), make(name)
    parent, other = plain.initial(), hidden.initial()
    for seed in range(4):
        parent = plain.mutate(parent, np.random.default_rng(seed))
        child = hidden.mutate(other, np.random.default_rng(seed))
        assert ground_of(child) == parent
        assert SECTION not in parent
        other = child
    assert plain.vector(parent).tolist() == hidden.vector(other)[: len(plain.vector(parent))].tolist()
    assert len(hidden.vector(other)) == len(plain.vector(parent)) + 10


def test_genes_move_by_a_step_at_most_and_stay_within_bounds():
    own = {"motors": {"low": 0.6, "step": 0.05}, "delay": {"high": 1}, "lidar": {}, "gravity": {"low": 9, "high": 12}}
    encoding = WALKER.encoding("parametric", {SECTION: own})
    rng, genome, seen = np.random.default_rng(0), encoding.initial(), []
    for _ in range(200):
        child = encoding.mutate(genome, rng)
        before, after = physics_of(genome, GENES), physics_of(child, GENES)
        assert np.abs(np.subtract(after["motors"], before["motors"])).max() <= 0.05 + 1e-3
        assert set(child[SECTION]) == set(own)
        seen.append([*after["motors"], *after["delay"], *after["lidar"], *after["gravity"]])
        genome = child
    low, high = np.min(seen, axis=0), np.max(seen, axis=0)
    assert low.tolist()[4:6] == [0, 0]
    assert high.tolist()[4:6] == [1, 1]
    assert 0.6 <= low[:4].min() < 0.7
    assert 0.95 < high[:4].max() <= 1.0
    assert 9 <= low[6] < 9.5
    assert 11.5 < high[6] <= 12


def test_any_leg_may_be_lost_after_any_other():
    encoding = HEXAPOD.encoding("parametric", {SECTION: ["lost"]})
    rng, genome, seen = np.random.default_rng(0), encoding.initial(), []
    assert genome[SECTION] == {"lost": 0}
    for _ in range(400):
        genome = encoding.mutate(genome, rng)
        seen.append(genome[SECTION]["lost"])
    assert set(seen) == set(range(7))
    changes = [(before, after) for before, after in pairwise(seen) if before != after]
    assert 150 < len(changes) < 250
    assert len(set(changes)) > 35  # of 42: any follows any
    places = [encoding.vector({SECTION: {"lost": leg}})[-6:] for leg in range(7)]
    assert not places[0].any()
    np.testing.assert_array_equal(places[1:], np.eye(6))
    assert (encoding.shared_axes, len(HEXAPOD.hidden(None)), len(QUADRUPED.hidden(None))) == (6, 12, 10)
    left = HEXAPOD.encoding("parametric", {SECTION: {"lost": {"high": 3}}})
    assert left.genes()["physics.lost"]["step"] == 3
    assert {left.mutate({SECTION: {"lost": 6}}, rng)[SECTION]["lost"] for _ in range(40)} == {0, 1, 2, 3, 6}
    assert encoding.describe({SECTION: {"lost": 4, "load": 1.5}}) == "flat; load 1.5, lost leg 4"
    assert encoding.approach({SECTION: {"lost": 1}}, {SECTION: {"lost": 6}}, rng)[SECTION] == {"lost": 6}


def test_a_run_that_does_not_evolve_them_hands_them_down_and_the_ordinary_is_not_written():
    encoding = WALKER.encoding("parametric", {})
    parent = {**encoding.initial(), SECTION: {"delay": 2, "gravity": 10.0}}
    encoding.check(parent)
    child = encoding.mutate(parent, np.random.default_rng(0))
    assert child[SECTION] == {"delay": 2}
    assert SECTION not in encoding.mutate(encoding.initial(), np.random.default_rng(0))
    assert encoding.vector(parent).tolist() == encoding.vector(ground_of(parent)).tolist()


def test_bodies_are_as_far_apart_whatever_the_bounds_of_the_run():
    body = {SECTION: {"motors": [1, 0.6, 1, 1], "gravity": 12.0}}
    wide = WALKER.encoding("parametric", {SECTION: ["motors", "gravity"]})
    narrow = WALKER.encoding("parametric", {SECTION: {"motors": {"low": 0.9}, "gravity": {"low": 9, "high": 12}}})
    assert narrow.vector(body).tolist() == wide.vector(body).tolist()
    assert wide.vector(body)[-5:].tolist() == pytest.approx([0, -0.8, 0, 0, 1 / 3])


def test_the_drawn_encoding_says_what_it_takes():
    with pytest.raises(ValueError, match=r"option 'brush' is unknown; the drawn encoding takes physics alone$"):
        WALKER.encoding("drawn", {"brush": 1})


def test_they_are_described_in_a_few_words():
    encoding = WALKER.encoding("parametric", {})
    section = {"motors": 0.7, "delay": 2, "lidar": 0, "legs": 0.9}
    assert encoding.describe({SECTION: section}) == "flat; motors 0.7, delay 2, lidar off, legs 0.9"
    assert encoding.describe({SECTION: {"motors": [1, 0.5, 1, 1]}}) == "flat; motors 1/0.5/1/1"
    assert encoding.describe({SECTION: {"gravity": 10}}) == "flat"


def test_a_direct_path_leads_to_the_bodys_target_too():
    encoding = make("parametric")
    target = {"roughness": 1.0, "pit_gap": [0.0, 1.2], SECTION: {"motors": [1, 0.6, 1, 1], "delay": 2, "lidar": 0}}
    end = encoding.vector(target)
    genome, rng = encoding.initial(), np.random.default_rng(1)
    steps = 0
    while not np.array_equal(encoding.vector(genome), end):
        genome = encoding.approach(genome, target, rng)
        encoding.check(genome)
        steps += 1
    assert 5 < steps < 60
    assert not hasattr(make("cppn"), "approach")


def test_what_is_started_with_is_where_a_run_begins():
    encoding = WALKER.encoding("parametric", {"start": {"roughness": 1.0, SECTION: {"delay": 1}}})
    assert encoding.initial()[SECTION] == {"delay": 1}
    assert encoding.initial()["roughness"] == 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({SECTION: ["wings"]}, "physics has 'wings'; genes are motors, delay, lidar"),
        ({SECTION: "motors"}, "physics is 'motors'; it must be a list or a table of some of motors"),
        ({SECTION: {"motors": {"low": -1}}}, r"physics.motors.low is -1; it must be a number in \[0, 1\]"),
        ({SECTION: {"delay": {"step": 0}}}, r"physics.delay.step is 0; it must be a whole number in \[1, 2\]"),
        ({SECTION: {"delay": {"high": float("inf")}}}, r"physics.delay.high is inf; it must be a whole number in"),
        ({SECTION: {"delay": {"high": 10**400}}}, r"physics.delay.high is 10+; it must be a whole number in \[0, 2\]"),
        ({SECTION: {"gravity": {"step": float("inf")}}}, r"gravity.step is inf; it must be a number in \[0.001, 29\]"),
        ({SECTION: {"gravity": {"step": 0.0004}}}, r"gravity.step is 0.0004; it must be a number in \[0.001, 29\]"),
        ({SECTION: {"motors": {"step": float("nan")}}}, "physics.motors.step is nan; it must be a number in"),
        ({SECTION: {"delay": {"high": 0}}}, "physics.delay goes from 0 to 0 by steps of 1, so that it never changes"),
        ({SECTION: {"motors": {"low": 1}}}, "physics.motors goes from 1 to 1 by steps of 0.1, so that it never"),
        (
            {SECTION: {"delay": {"high": 1, "step": 2}}},
            "physics.delay goes from 0 to 1 by steps of 2, so that it never",
        ),
        ({SECTION: {"delay": {"low": 1}}}, "physics.delay goes from 1 to 2; 0 is ordinary and must lie between"),
        ({SECTION: {"gravity": 3}}, "physics.gravity is 3; it must be a table of some of low, high, step"),
        ({"start": {SECTION: {"legs": 9}}}, r"physics.legs is 9; it must be a number in \[0.5, 2\]"),
        ({"phisics": []}, "option 'phisics' is unknown; .* and physics"),
    ],
)
def test_options_that_are_none_are_refused_in_a_sentence(options, said):
    with pytest.raises(ValueError, match=said):
        WALKER.encoding("parametric", options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({SECTION: ["lidar"]}, "physics has 'lidar'; genes are motors, delay, friction, load, lost$"),
        ({SECTION: {"lost": {"step": 2}}}, "physics.lost.step is 2; lost takes low and high alone"),
        ({SECTION: {"lost": {"high": 7}}}, r"physics.lost.high is 7; it must be a whole number in \[0, 6\]"),
        ({SECTION: {"lost": {"high": 0}}}, "physics.lost goes from 0 to 0 by steps of 0, so that it never changes"),
        ({"start": {SECTION: {"load": 0}}}, r"physics.load is 0; it must be a number in \[0.1, 10\]"),
        ({"wheels": 4}, "option 'wheels' is unknown; .*, and physics$"),
    ],
)
def test_options_of_legged_robots_that_are_none_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        HEXAPOD.encoding("parametric", options)
    if "wheels" in options:
        for name in ("cppn", "drawn"):
            with pytest.raises(ValueError, match=r"option 'wheels' is unknown; .* physics"):
                HEXAPOD.encoding(name, options)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ([1], "physics is .1.; it must be a table"),
        ({"wings": 1}, "physics has a gene 'wings'; genes are"),
        ({"motors": [1, 1, 1]}, "physics.motors is .1, 1, 1.; it must be a number, or 4 of them"),
        ({"motors": 1.2}, r"physics.motors is 1.2; it must be a number in \[0, 1\], or 4 of them"),
        ({"delay": 0.5}, r"physics.delay is 0.5; it must be a whole number in \[0, 2\]"),
        ({"delay": 3}, r"physics.delay is 3; it must be a whole number in \[0, 2\]"),
        ({"lidar": True}, "physics.lidar is True; it must be a whole number"),
        ({"gravity": "low"}, "physics.gravity is 'low'; it must be a number"),
    ],
)
def test_sections_that_are_none_are_refused_wherever_they_are_met(section, said):
    environment = Environment(domain="walker2d", encoding="parametric", genome={SECTION: section}, seed=0)
    with pytest.raises(ValueError, match=said):
        WALKER.encoding("parametric", {}).check(environment.genome)
    with pytest.raises(ValueError, match=said):
        WALKER.make_env(environment)


def test_a_drawn_copy_of_a_course_keeps_its_body_and_levels_of_others_have_no_place_for_it():
    environment = Environment(
        domain="walker2d", encoding="parametric", genome={"roughness": 1.0, SECTION: {"delay": 1}}, seed=1
    )
    drawn = WALKER.drawn_from(environment)
    assert drawn.genome[SECTION] == {"delay": 1}
    WALKER.encoding("drawn", {}).check(drawn.genome)
    assert WALKER.level_vectors([environment]) is None
    assert WALKER.difficulty(environment) == WALKER.difficulty(
        Environment(domain="walker2d", encoding="parametric", genome={"roughness": 1.0}, seed=1)
    )
    assert json.loads(environment.to_json())["genome"][SECTION] == {"delay": 1}
