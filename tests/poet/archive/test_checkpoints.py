"""Which copies of agents the archive keeps, and that what it keeps changes nothing else."""

import sqlite3
from dataclasses import replace

import pytest
from runs import dump

from cluster.executor import InProcess
from evolution.evaluator import Evaluator
from poet import config as configuration
from poet.algorithm import evolve
from poet.archive.store import Archive
from poet.config import ArchiveSettings, build
from poet.errors import InputError
from poet.population import first_population


def run(folder, config, stops=()):
    for until in (*stops, config.iterations):
        start = replace(config, iterations=until)
        archive = Archive.resume(folder) if folder.exists() else Archive.create(folder, start, first_population(start))
        for population, journal in evolve(archive.population, start, Evaluator(config.simulation(), InProcess())):
            archive.commit(population, journal, 0.0, 1)
        archive.close()
    return folder


def copies(folder):
    """The iterations at whose end a niche's agent was kept, by niche."""
    with sqlite3.connect(folder / "archive.sqlite") as connection:
        rows = connection.execute(
            "SELECT niche, iteration FROM agent WHERE origin = 'checkpoint' ORDER BY id"
        ).fetchall()
    connection.close()
    return {niche: [iteration for other, iteration in rows if other == niche] for niche, _ in rows}


def test_doubling_keeps_the_first_second_fourth_and_eighth_copy_of_every_niche_and_changes_nothing_else(
    tmp_path, toy_config
):
    every = replace(toy_config, archive=ArchiveSettings(checkpoint_every=2))
    doubling = replace(every, archive=ArchiveSettings(checkpoint_every=2, checkpoints="doubling"))
    whole, thinned = copies(run(tmp_path / "every", every)), copies(run(tmp_path / "doubling", doubling))
    assert max(len(found) for found in whole.values()) >= 8
    assert thinned == {
        niche: [found[n - 1] for n in (1, 2, 4, 8, 16) if n <= len(found)] for niche, found in whole.items()
    }
    tables = [dump(tmp_path / name) for name in ("every", "doubling")]
    for name in tables[0].keys() - {"agent", "checksum", "run"}:
        assert tables[0][name] == tables[1][name], name
    kept = [
        sorted((row[1:] for row in table["agent"]), key=repr) for table in tables
    ]  # without the numbers they were given
    assert [row for row in kept[0] if row[2] != "checkpoint"] == [row for row in kept[1] if row[2] != "checkpoint"]
    assert set(kept[1]) < set(kept[0])


def test_thinned_run_in_three_parts_equals_one_run(tmp_path, toy_config):
    config = replace(toy_config, archive=ArchiveSettings(checkpoint_every=3, checkpoints="doubling"))
    parts = dump(run(tmp_path / "parts", config, stops=(8, 9)))
    whole = dump(run(tmp_path / "whole", config))
    # The number of iterations was not extended in the file, so that its settings are those of the first part.
    for name in whole.keys() - {"run", "checksum"}:
        assert parts[name] == whole[name], name


def test_unknown_rule_is_refused_and_the_default_keeps_every_copy():
    with pytest.raises(InputError, match="checkpoints is 'few'; it must be one of every, doubling"):
        build({"archive": {"checkpoints": "few"}}, "settings")
    settings = build({}, "settings").archive
    assert [at for at in range(200) if settings.keeps(at, born=30)] == list(range(24, 200, 25))


@pytest.mark.parametrize(("preset", "niches"), [("enhanced", 400), ("original", 168)])
def test_papers_presets_keep_a_fifteenth_of_the_copies(preset, niches):
    """Niches born and retired as evenly as the preset has it."""
    table = configuration.read_preset(preset)
    config = build(table, preset)
    life = config.reproduction.capacity * config.reproduction.every // config.reproduction.admitted
    births = range(0, config.iterations, config.iterations // niches)
    every = ArchiveSettings()

    def count(settings):
        return sum(
            settings.keeps(at, born) for born in births for at in range(born, min(born + life, config.iterations))
        )

    assert count(config.archive) < count(every) / 15
