"""The presets of the papers hold what the papers and their code say, and every setting says where it comes from."""

import re
from importlib.resources import files

import pytest

from environments.domain import find_domain
from environments.settings import flat
from poet.config import Config, build, read_preset
from poet.provenance import OURS, PROVENANCE, Source

MARKS = {Source.PAPER: "[paper]", Source.CODE: "[code]", Source.INFERENCE: "[inferred]"}


def published(preset):
    column = {"original": "poet", "enhanced": "enhanced"}[preset]
    return {name: getattr(each, column) for name, each in PROVENANCE.items() if getattr(each, column) is not None}


@pytest.mark.parametrize("preset", ["original", "enhanced"])
def test_a_papers_preset_sets_each_value_to_the_published_one(preset):
    known = published(preset)
    for name, value in flat(read_preset(preset)).items():
        if PROVENANCE[name] is OURS:
            continue
        assert name in known, f"{name} of {preset} has no provenance"
        assert value == known[name].value, name


@pytest.mark.parametrize("preset", ["original", "enhanced"])
def test_what_a_run_of_a_papers_preset_uses_is_published_where_the_paper_has_it(preset):
    config = build(read_preset(preset), preset)
    used = flat(config.to_table())
    for name, each in published(preset).items():
        if name in used:
            assert used[name] == each.value, name


@pytest.mark.parametrize("preset", ["original", "enhanced"])
def test_the_comment_beside_a_value_names_the_source_that_the_table_names(preset):
    section, seen = "", set()
    text = (files("poet.presets") / f"{preset}.toml").read_text(encoding="utf-8")
    for line in text.splitlines():
        if header := re.fullmatch(r"\[(.+)\]", line):
            section = f"{header[1]}."
        elif setting := re.match(r"(\w+) = .*?# (\[\w+\])", line):
            assert setting[2] == MARKS[published(preset)[section + setting[1]].source], line
            seen.add(section + setting[1])
    assert seen == {name for name in flat(read_preset(preset)) if PROVENANCE[name] is not OURS}


def test_every_setting_has_a_provenance_if_only_that_it_is_ours():
    settings = set(flat(Config().to_table()))
    assert settings <= set(PROVENANCE), settings - set(PROVENANCE)


def test_options_with_a_provenance_are_options_of_the_walkers_encodings():
    walker = find_domain("walker2d")
    for name, each in PROVENANCE.items():
        if name.startswith("encoding.options."):
            option = name.rpartition(".")[2]
            for encoding, found in (("parametric", each.poet), ("cppn", each.enhanced)):
                if found is not None:
                    assert walker.encoding(encoding, {option: found.value}).initial() is not None


def test_every_150_iterations_gives_the_papers_number_of_attempted_transfers_and_200_does_not():
    # One niche more at each reproduction, up to 20; where there are two, one attempt for each niche every 25 iterations
    # of 25,200. The paper's three runs attempted 18,894, 19,014 and 18,798.
    def attempts(every):
        return sum(min(1 + iteration // every, 20) for iteration in range(0, 25_200, 25) if iteration >= every)

    every = build(read_preset("original"), "original").reproduction.every
    assert every == 150
    assert attempts(every) == 19_014
    assert attempts(200) == 18_632  # at most, and fewer than any of the three
