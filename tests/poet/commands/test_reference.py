"""`poet settings`: every setting there is, explained, and the documentation's table equal to it."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from environments.encodings.parametric import KINDS, ParametricEncoding
from environments.settings import flat
from environments.walker2d import DOMAIN
from evolution.optimisers.cmaes import CMAESSettings
from poet import config as configuration
from poet.commands.reference import MEANINGS, chosen, markdown, reference
from poet.config import Config, build, parse_assignment, presets, read_preset
from poet.errors import InputError

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"
LINES = {each.key: each for each in reference()}


def set_to(key, value):
    table = parse_assignment(f"{key}={value}")
    if key.startswith("optimiser.options."):
        table["optimiser"]["name"] = "cmaes"
    return build(table, "here")


def test_every_setting_of_a_configuration_file_is_explained_and_no_other():
    written = {key for key in flat(Config().to_table()) if not key.startswith("encoding.options")}
    explained = {key for key in LINES if not key.startswith("encoding.options.")}
    optimisers = {f"optimiser.options.{name}" for name in asdict(CMAESSettings())}
    assert optimisers <= explained
    assert {key for key in explained if not key.startswith("optimiser.options.")} == written
    assert [key for key in LINES if not key.startswith("optimiser.options.")] == list(MEANINGS)
    assert all(len(each.meaning) > 20 and each.meaning.endswith(".") for each in LINES.values())


@pytest.mark.parametrize("name", ["parametric", "cppn"])
def test_every_option_of_the_walkers_encodings_is_explained(name):
    with pytest.raises(ValueError, match="takes") as refused:
        DOMAIN.encoding(name, {"?": 1})
    options = re.findall(r"\w+", str(refused.value).partition(" takes ")[2].replace(" and ", ", "))
    assert len(options) >= 2
    assert {f"encoding.options.{option}" for option in options} <= set(LINES)


def test_defaults_are_those_of_a_configuration_without_settings():
    defaults = flat(build({}, "here").to_table())
    for key, value in defaults.items():
        assert LINES[key].default == value, key
    assert json.loads(LINES["encoding.options.kinds"].default.partition(" ")[2].partition(";")[0]) == list(
        ParametricEncoding().kinds
    )
    assert all(kind in LINES["encoding.options.kinds"].range for kind in KINDS)


BOUNDED = [key for key, each in LINES.items() if each.range.startswith("in [") and not key.startswith("optimiser.")]


@pytest.mark.parametrize("key", [*BOUNDED, *(f"optimiser.options.{name}" for name in asdict(CMAESSettings()))])
def test_a_number_at_the_ends_of_its_range_is_taken_and_beyond_refused(key):
    low, high = LINES[key].range.removeprefix("in [").removesuffix("]").split(", ")
    whole = LINES[key].type == "a whole number"
    floors = {"es.sigma": "es.sigma_floor", "es.step_size": "es.step_size_floor"}
    if key not in (*floors, *floors.values()) and key != "seed":
        set_to(key, low)
        set_to(key, high)
    below = int(low) - 1 if whole else float(low) - 1
    beyond = int(high) + 1 if whole else float(high) + 1
    for value in (below, beyond):
        with pytest.raises(InputError, match=re.escape(f"{key} is {value}")):
            set_to(key, value)


@pytest.mark.parametrize("key", ["transfer.rule", "archive.checkpoints"])
def test_each_listed_word_is_taken_and_another_refused(key):
    words = LINES[key].range.split(", ")
    assert len(words) >= 2
    for word in words:
        set_to(key, word)
    with pytest.raises(InputError, match=f"{key} is 'neither'"):
        set_to(key, "neither")


@pytest.mark.parametrize("name", ["original", "enhanced"])
def test_the_papers_values_are_those_of_the_presets(name):
    paper = {"original": "poet", "enhanced": "enhanced"}[name]
    preset = flat(build(read_preset(name), name).to_table())
    stated = [each for each in LINES.values() if each.papers[paper]["value"] is not None and each.key in preset]
    assert len(stated) > 20
    for each in stated:
        assert each.papers[paper]["value"] == preset[each.key], each.key


def test_presets_are_listed_where_they_differ_from_the_default():
    for key, each in LINES.items():
        for name in presets():
            value = flat(build(read_preset(name), name).to_table()).get(key, configuration)
            assert (name in each.presets) == (value is not configuration and value != each.default)


def test_the_documentation_holds_the_same_table():
    assert PAGE.read_text(encoding="utf-8") == markdown(), "write it anew by `make reference`"


def test_the_command_shows_one_a_section_or_all_to_people_and_programs(poet):
    shown = poet("settings", "es.sigma", COLUMNS="80")
    assert shown.stdout.startswith("es.sigma = 0.1\n")
    assert "Standard deviation of the perturbations" in shown.stdout
    assert "a number in [1e-06, 100]" in shown.stdout
    section = json.loads(poet("settings", "transfer", "--json").stdout)
    assert [row["key"] for row in section] == [key for key in LINES if key.startswith("transfer.")]
    assert {"meaning", "type", "range", "default", "papers", "presets"} <= set(section[0])
    every = poet("settings", COLUMNS="80").stdout
    assert all(f"\n{key} = " in f"\n{every}" for key in LINES)
    assert max(map(len, every.splitlines())) <= 80


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"there is no setting 'es\.pears'; did you mean es\.pairs"):
        chosen("es.pears")
    with pytest.raises(InputError, match=r"there is no setting 'sigma'; did you mean .*es\.sigma"):
        chosen("sigma")
