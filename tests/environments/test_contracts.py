"""The suites that plugin authors run, over all of our domains and encodings; broken ones fail the right check."""

import re
from dataclasses import replace

import numpy as np
import pytest
import toy_domain
from bodies import needs_pybullet

from environments import plugins
from environments.contracts import domain_contract, encoding_contract, failures
from environments.domain import find_domain


def encoding(domain, name, **options):
    return encoding_contract(lambda: find_domain(domain).encoding(name, options))


TestWalker = domain_contract("walker2d", ["parametric", "cppn", "drawn"])
TestPublishedWalker = domain_contract("walker2d-published", ["parametric"])
TestHexapod = needs_pybullet(domain_contract("hexapod3d", ["parametric"], steps=15))
TestHexapodJoints = needs_pybullet(domain_contract("hexapod3d-joints", ["cppn", "drawn"], steps=15))
TestQuadruped = needs_pybullet(domain_contract("quadruped3d", ["parametric"], steps=12))
TestQuadrupedJoints = needs_pybullet(domain_contract("quadruped3d-joints", ["parametric"], steps=12))
TestOctopod = needs_pybullet(domain_contract("octopod3d", ["parametric"], steps=12))
TestOctopodJoints = needs_pybullet(domain_contract("octopod3d-joints", ["cppn"], steps=12))
TestLongLeggedHexapod = needs_pybullet(domain_contract("hexapod3d[tibia=0.42]", ["parametric"], steps=12))
TestToy = domain_contract("toy", ["target"], stepped=False)
TestParametric = encoding("walker2d", "parametric", kinds=["roughness", "pit", "stump", "stair"])
TestDrawn = encoding("walker2d", "drawn")
TestHeightfield = needs_pybullet(encoding("hexapod3d", "parametric"))
TestCPPN = encoding("walker2d", "cppn")
TestCPPNWithObstacles = encoding("walker2d", "cppn", obstacles=["pit", "stump"], bounds="published")
TestDrawnField = needs_pybullet(encoding("hexapod3d", "drawn"))
TestHexapodsCPPN = needs_pybullet(encoding("hexapod3d", "cppn"))
TestTarget = encoding("toy", "target")


class Broken:
    """The toy's encoding or domain with one fault; what is not about the fault is as it was."""

    def __init__(self, sound):
        self._sound = sound

    def __getattr__(self, name):
        return getattr(self._sound, name)


class LeavesBounds(Broken):
    def genes(self):
        return {"target": {"minimum": -2.0, "maximum": 2.0}}

    def mutate(self, genome, rng):
        return {"target": [x + 1.0 for x in genome["target"]]}


class CannotReadItsOwn(Broken):
    def mutate(self, genome, rng):
        return {"target": [*genome["target"], 0.5]}


class ChangesParent(Broken):
    def mutate(self, genome, rng):
        genome["target"][0] += float(rng.uniform(0, 1))
        return dict(genome)


class DrawsByItself(Broken):
    def mutate(self, genome, rng):
        return {"target": [x + float(np.random.random()) for x in genome["target"]]}  # noqa: NPY002


class ForgetsInJSON(Broken):
    def mutate(self, genome, rng):
        return {"target": tuple(self._sound.mutate(genome, rng)["target"])}


class GrowsVectors(Broken):
    def vector(self, genome):
        return np.resize(np.array(genome["target"]), 3 + (genome["target"][0] > 0.9))


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        (LeavesBounds, "test_what_descends_by_mutation_lies_within_the_bounds_that_genes_says", r"in \[-2.0, 2.0\]"),
        (CannotReadItsOwn, "test_what_descends_by_mutation_is_valid", "must be three numbers"),
        (ChangesParent, "test_mutation_leaves_the_parent_as_it_is", "the parent of the genome of generation"),
        (DrawsByItself, "test_mutation_follows_the_given_generator_and_nothing_else", "from equal generators"),
        (ForgetsInJSON, "test_a_genome_survives_json_exactly", "read back from JSON"),
        (GrowsVectors, "test_vectors_are_finite_and_of_one_length", r"a vector \(3,\) .* came shape \(4,\)"),
    ],
)
def test_a_broken_encoding_fails_the_check_that_is_about_its_fault(kind, check, words):
    found = failures(encoding_contract(lambda: kind(toy_domain.ToyEncoding(0.8))))
    assert check in found, found
    assert re.search(words, found[check]), found
    assert len(found) <= 2, found  # and hardly any other


class DependsOnBatch(Broken):
    def run(self, batch, **settings):
        rows = self._sound.run(batch, **settings)
        return replace(rows, returns=rows.returns + batch.thetas.mean())


class PlaysTheFirstEnvironmentAlone(Broken):
    def run(self, batch, **settings):
        return self._sound.run(replace(batch, places=0 * batch.places + batch.places[:1].sum()), **settings)


class Remembers(Broken):
    plays = 0

    def run(self, batch, **settings):
        self.plays += 1
        rows = self._sound.run(batch, **settings)
        return replace(rows, returns=rows.returns + self.plays)


class LetsDivergenceThrough(Broken):
    def run(self, batch, **settings):
        rows = self._sound.run(batch, **settings)
        return replace(rows, returns=np.where(np.isnan(batch.thetas).any(axis=1), np.nan, rows.returns))


class IgnoresLimit(Broken):
    def run(self, batch, *, episode_limit=None, engine=None):
        return self._sound.run(batch, episode_limit=99, engine=engine)


class TakesAnyEngine(Broken):
    def run(self, batch, *, episode_limit=None, engine=None):
        return self._sound.run(batch, episode_limit=episode_limit)


class OverwritesThetas(Broken):
    def run(self, batch, **settings):
        rows = self._sound.run(batch, **settings)
        batch.thetas[:] += 1
        return rows


def forget():
    """Find installed parts anew."""
    plugins.find.cache_clear()
    find_domain.cache_clear()


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (PlaysTheFirstEnvironmentAlone, "test_a_row_does_not_depend_on_what_it_is_batched_with"),
        (DependsOnBatch, "test_a_row_does_not_depend_on_what_it_is_batched_with"),
        (Remembers, "test_order_and_what_ran_before_do_not_matter"),
        (LetsDivergenceThrough, "test_a_controller_that_is_not_finite_diverges_and_harms_no_other"),
        (IgnoresLimit, "test_rows_are_of_the_right_types_and_within_the_episode_limit"),
        (TakesAnyEngine, "test_wrong_agents_and_engines_are_refused"),
        (OverwritesThetas, "test_what_it_is_given_stays_as_it_was"),
    ],
)
def test_a_broken_domain_fails_the_check_that_is_about_its_fault(kind, check, monkeypatch):
    monkeypatch.setattr(toy_domain, "DOMAIN", kind(find_domain("toy")))
    forget()
    found = failures(domain_contract("toy", ["target"], stepped=False))
    forget()
    assert check in found, found
    assert found[check].startswith("expected "), found
    assert "; came " in found[check], found
