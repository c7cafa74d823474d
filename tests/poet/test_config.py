import pytest

from poet import config as configuration
from poet.config import advice, build, differences, merge, parse_assignment, presets, read_preset, refine
from poet.errors import InputError


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_valid_and_survives_toml(name, tmp_path):
    config = build(read_preset(name), name)
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml())
    assert build(configuration.read_file(path), "again") == config


def test_original_preset_holds_the_papers_constants():
    config = build(read_preset("original"), "original")
    assert (config.iterations, config.episode_limit, config.es.pairs) == (25_200, 2000, 256)
    assert (config.es.sigma, config.es.sigma_decay, config.es.sigma_floor) == (0.1, 0.999, 0.01)
    assert (config.es.step_size, config.es.step_size_decay, config.es.step_size_floor) == (0.01, 0.9999, 0.001)
    assert config.es.weight_decay == 0.01
    assert (config.minimal_criterion.lower, config.minimal_criterion.upper) == (50, 300)
    reproduction = config.reproduction
    assert (reproduction.every, reproduction.parent_score, reproduction.capacity) == (150, 200, 20)
    assert (reproduction.children, reproduction.admitted, reproduction.neighbours) == (8, 1, 5)
    assert config.transfer.every == 25


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"colour": 1}, "here: unknown setting colour; known are seed, iterations"),
        ({"es": {"pair": 3}}, "here: unknown setting es.pair; known are es.pairs"),
        ({"es": {"pairs": 0}}, "here: es.pairs is 0; it must be in"),
        ({"es": {"pairs": 2.5}}, "here: es.pairs is 2.5; it must be a whole number"),
        ({"es": {"pairs": True}}, "here: es.pairs is True; it must be a whole number"),
        ({"es": {"step_size": float("inf")}}, "here: es.step_size is inf; it must be finite"),
        ({"reproduction": {"parent_score": float("nan")}}, "here: reproduction.parent_score is nan; it must be finite"),
        ({"encoding": {"options": {"kinds": 3}}}, "here: kinds is 3; it must be a list"),
        ({"encoding": {"options": {"start": 3}}}, "here: start is 3; it must be a table"),
        ({"es": {"sigma": "big"}}, "here: es.sigma is 'big'; it must be a number"),
        ({"es": 3}, "here: es is 3; it must be a table"),
        ({"seed": -1}, r"here: seed is -1; it must be in \[0, "),
        ({"minimal_criterion": {"lower": 400}}, "here: minimal_criterion.lower is 400.0; it must be below upper"),
        ({"domain": "flyer"}, "here: domain is 'flyer'; installed domains are"),
        ({"engine": "warp"}, "here: engine is 'warp'; it must be one of auto, "),
        ({"push": "hard"}, "here: push is 'hard'; it must be one of fresh, fixed"),
        ({"encoding": {"name": "runes"}}, "here: encoding is 'runes'; walker2d has"),
        ({"encoding": {"options": {"kinds": ["lava"]}}}, "here: kinds has 'lava'"),
        ({"encoding": {"options": {"start": {"pit_gap": [0, 11]}}}}, "here: pit_gap is"),
    ],
)
def test_wrong_settings_are_refused_by_name_value_and_range(table, message):
    with pytest.raises(InputError, match=message):
        build(table, "here")


def test_whole_numbers_serve_where_numbers_are_wanted():
    assert build({"es": {"sigma": 1}}, "here").es.sigma == 1.0


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("es.pairs=64", {"es": {"pairs": 64}}),
        ("engine=reference", {"engine": "reference"}),
        ('encoding.options.kinds=["pit"]', {"encoding": {"options": {"kinds": ["pit"]}}}),
        ("seed = 3", {"seed": 3}),
    ],
)
def test_assignments_become_tables(text, table):
    assert parse_assignment(text) == table


@pytest.mark.parametrize("text", ["es.pairs", "=3"])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(InputError, match="is not an assignment; write it as key=value"):
        parse_assignment(text)


def test_merging_goes_section_by_section():
    assert merge({"es": {"pairs": 1, "sigma": 2}}, {"es": {"sigma": 3}}) == {"es": {"pairs": 1, "sigma": 3}}


def test_another_encoding_leaves_the_options_of_the_first_behind():
    base = read_preset("hexapod")
    assert "stride" in base["encoding"]["options"]
    config = build(refine(base, {"encoding": {"name": "cppn"}}), "test")
    assert (config.encoding.name, dict(config.encoding.options)) == ("cppn", {})
    same = refine(base, {"encoding": {"name": "parametric", "options": {"stride": 3.0}}})
    assert same["encoding"]["options"] == {**base["encoding"]["options"], "stride": 3.0}


def test_differences_name_what_changed_and_pass_over_iterations():
    old, new = build({"iterations": 5}, "a"), build({"es": {"pairs": 8}}, "b")
    assert differences(old, new) == ["es.pairs was 256, is 8"]


def test_enhanced_preset_is_the_papers():
    config = build(read_preset("enhanced"), "enhanced")
    assert (config.iterations, config.es.pairs, config.reproduction.every) == (60_000, 256, 150)
    assert (config.reproduction.capacity, config.transfer.every) == (40, 25)
    assert (config.minimal_criterion.lower, config.minimal_criterion.upper) == (25, 340)
    assert (config.encoding.name, config.reproduction.novelty, config.transfer.rule) == ("cppn", "pata-ec", "improved")


@pytest.mark.parametrize(
    ("reproduction", "iterations", "life"),
    [({"capacity": 3, "every": 20}, 140, 60), ({"capacity": 4, "every": 74}, 10_000, 296)],
)
def test_niches_that_retire_before_their_agents_can_learn_are_warned_of(reproduction, iterations, life):
    (sentence,) = advice(build({"reproduction": reproduction, "iterations": iterations}, "here"))
    assert f"after about {life} iterations" in sentence
    assert f"reproduction.capacity {reproduction['capacity']} x reproduction.every {reproduction['every']}" in sentence


@pytest.mark.parametrize(
    ("reproduction", "iterations"),
    [({"capacity": 4, "every": 75}, 10_000), ({"capacity": 3, "every": 20}, 60), ({}, 25_200)],
)
def test_long_lives_and_runs_in_which_no_niche_retires_are_not(reproduction, iterations):
    assert advice(build({"reproduction": reproduction, "iterations": iterations}, "here")) == []


@pytest.mark.parametrize("name", presets())
def test_no_preset_comes_with_a_warning(name):
    assert advice(build(read_preset(name), name)) == []


def test_confirming_by_fresh_episodes_is_refused_where_there_are_none():
    with pytest.raises(InputError, match=r"transfer.confirm is 5, but with push = 'fixed' .* must be 0, or push be"):
        build({"push": "fixed", "transfer": {"confirm": 5}}, "settings")
    assert build({"push": "fixed"}, "settings").transfer.confirm == 0
