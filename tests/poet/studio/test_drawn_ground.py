"""Ground that was drawn, in a run of another encoding: judged, bred from, and exact."""

import json

import numpy as np
import pytest
from runs import assert_equal_archives
from studios import TINY

from environments.domain import Environment, find_domain
from environments.tasks.curriculum import TRIED, Curriculum
from poet import Run
from poet.novelty import places_of

DRAWN = Environment(
    domain="walker2d", encoding="drawn", genome={"ground": [], "boxes": [[30.0, 0.0, 0.5, 0.6]]}, seed=0
)


def test_drawn_ground_is_admitted_bred_from_and_exact_in_however_many_lives(tmp_path):
    one, other = (Run.create(tmp_path / name, settings={**TINY, "seed": 4}) for name in ("one", "other"))
    for run, stops in ((one, (1, 10)), (other, (1, 3, 4, 10))):
        for number, iterations in enumerate(stops):
            run.evolve(iterations, workers=1, rescore=False)
            if number == 0:
                assert run.inject(DRAWN) == 2
    assert_equal_archives(one.folder, other.folder)
    (row,) = one.inputs()
    niche = one.niches[row["niche"]]
    assert (niche.environment, niche.injected, niche.description) == (DRAWN, True, "drawn: 1 box")
    kinds = {each.environment.encoding for each in one.niches}
    assert kinds == {"parametric", "drawn"}
    children = [each for each in one.niches if each.parent == niche.id]
    assert children, "the seed gives it children"
    assert all(each.environment.encoding == "drawn" for each in children)
    assert all(child["novelty"] is None or np.isfinite(child["novelty"]) for child in one.children())


@pytest.mark.parametrize("domain", ["walker2d", "hexapod3d"])
def test_a_run_with_drawn_ground_is_exported_to_the_end(tmp_path, domain):
    if domain == "hexapod3d":
        pytest.importorskip("pybullet")
    painted = {"heights": [[], [0] * 20 + [60] * 9 + [0] * 20]}
    environment = (
        DRAWN if domain == "walker2d" else Environment(domain=domain, encoding="drawn", genome=painted, seed=0)
    )
    run = Run.create(tmp_path / "run", settings={**TINY, "seed": 4, "domain": domain})
    run.inject(environment)
    run.evolve(7, workers=1, rescore=False)
    run.export(tmp_path / "curriculum", fractions=(1, 0, 0), workers=1)
    curriculum = Curriculum.load(tmp_path / "curriculum")
    assert {row["encoding"] for row in curriculum.rows()} == {"parametric", "drawn"}
    assert curriculum.task(environment.id).environment == environment
    tried = {row["id"]: row for row in curriculum.tried()}
    assert {row["encoding"] for row in tried.values()} == {"parametric", "drawn"}
    for row in tried.values():
        found = Environment(domain=domain, encoding=row["encoding"], genome=row["genome"], seed=row["terrain_seed"])
        assert found.id == row["id"]
    if domain == "walker2d":
        _check_learners_of_few_examples_take_it_for_what_it_is(curriculum)


def _check_learners_of_few_examples_take_it_for_what_it_is(curriculum):
    pytest.importorskip("torch")
    from meta_learners.episodes import Source  # noqa: PLC0415
    from meta_learners.errors import MetaLearningError  # noqa: PLC0415
    from meta_learners.registry import make_family  # noqa: PLC0415

    small = {"shots": 1, "queries": 1}
    niches = make_family("niches", {"classes": 20, "courses": 2, "nearest": True, **small}, Source(curriculum))
    grounds = make_family("grounds", {"courses": 20}, Source(curriculum))
    for family in (niches, grounds, make_family("scores", small, Source(curriculum))):
        assert len(family.draw(3, "train", (0,)).support.targets) == 3
    pool = grounds._pool
    assert [pool.encoding_of(genome).name for genome in pool.of("train")].count("drawn") > 1
    assert len(pool.sketch(DRAWN.genome, 0).boxes) == 1
    # An export of an older version does not say what its genomes are of; tasks tell of what was admitted.
    rows = [{name: row[name] for name in row if name != "encoding"} for row in curriculum.tried()]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (curriculum.folder / TRIED).write_text(lines, encoding="utf-8")
    make_family("grounds", {"courses": 20}, Source(curriculum)).draw(3, "train", (0,))
    rejected = {**rows[0], "id": "rejected", "genome": {"ground": [[20.0, 1.0]], "boxes": []}}
    (curriculum.folder / TRIED).write_text(f"{lines}{json.dumps(rejected)}\n", encoding="utf-8")
    with pytest.raises(
        MetaLearningError, match=r"a genome of another encoding than parametric, .* export the run again"
    ):
        make_family("grounds", {}, Source(curriculum))


def test_a_hidden_body_is_the_same_on_drawn_ground_as_on_any(tmp_path):
    settings = {**TINY, "encoding.options": {"physics": ["motors", "delay"]}}
    config = Run.create(tmp_path / "run", settings=settings).config
    body = {"physics": {"motors": [1.0, 0.5, 1.0, 1.0], "delay": 2}}
    bare, weak, level, drawn = (
        Environment(domain="walker2d", encoding=encoding, genome=genome, seed=0)
        for encoding, genome in (
            ("parametric", {}),
            ("parametric", body),
            ("drawn", {"ground": [], "boxes": [], **body}),
            ("drawn", {**DRAWN.genome, **body}),
        )
    )
    places = places_of([bare, weak, level, drawn], config)
    apart = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    assert apart[0, 1] == pytest.approx(np.sqrt(2))
    assert apart[1, 2] == 0
    ground = find_domain("walker2d").encoding("drawn", {}).vector(DRAWN.genome)
    assert apart[1, 3] == pytest.approx(np.linalg.norm(ground))
    encoding = config.make_encoding()
    assert np.array_equal(places_of([bare, weak], config), [encoding.vector(each.genome) for each in (bare, weak)])


def test_level_ground_lies_between_the_encodings(tmp_path):
    config = Run.create(tmp_path / "run", settings=TINY).config
    level, rough = (
        Environment(domain="walker2d", encoding="parametric", genome={"roughness": value}, seed=0)
        for value in (0.0, 3.0)
    )
    places = places_of([level, rough, DRAWN], config)
    apart = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    own = find_domain("walker2d").encoding("drawn", {}).vector(DRAWN.genome)
    assert apart[0, 2] == np.linalg.norm(own)
    assert np.isclose(apart[1, 2] ** 2, apart[0, 1] ** 2 + apart[0, 2] ** 2)
    alone = places_of([level, rough], config)
    encoding = config.make_encoding()
    assert np.array_equal(alone, [encoding.vector(each.genome) for each in (level, rough)])
