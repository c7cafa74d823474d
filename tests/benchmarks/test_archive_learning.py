"""The learners on an archive: what is kept, what joins, and that the figures are drawn of it."""

from types import SimpleNamespace

import pytest
import synthetic_archive
import torch

from benchmarks.archive_learning import dynamics, figure, fits, learners, recognition, scores
from benchmarks.archive_learning.kept import Kept
from environments.domain import find_domain
from environments.tasks.curriculum import Curriculum
from meta_learners.problems.archive import Pool
from meta_learners.problems.dynamics import Dynamics, DynamicsSettings


@pytest.fixture(scope="module")
def curriculum(tmp_path_factory):
    from poet.archive.reading import reading  # noqa: PLC0415
    from poet.export.curriculum import ExportSettings, export  # noqa: PLC0415

    place = tmp_path_factory.mktemp("archive")
    synthetic_archive.write(place / "run", niches=12, iterations=60)
    with reading(place / "run") as connection:
        export(connection, place / "curriculum", ExportSettings())
    return Curriculum.load(place / "curriculum")


@pytest.mark.slow
def test_a_learner_that_was_installed_since_joins_and_nothing_is_measured_twice(curriculum, tmp_path, monkeypatch):
    monkeypatch.setattr(recognition, "SHOTS", (1, 2))
    monkeypatch.setattr(recognition, "NEAREST", (1,))
    monkeypatch.setattr(recognition, "TRAINED_ON", 2)
    monkeypatch.setattr(recognition, "FAMILY", {"ways": 3, "queries": 1, "courses": 3, "classes": 4})
    budget = {"seconds": 0.05, "tasks": 2, "seed": 0}
    for installed in (["arc", "prototypical"], ["arc", "plasticity", "prototypical"]):
        monkeypatch.setattr(recognition, "names", lambda takes, installed=installed: installed)
        kept = Kept(tmp_path / "recognition.json")
        if kept.found:
            kept.found["results"]["prototypical"]["meta_steps"] = -1  # if it were measured again it would be another
        recognition.measure(kept, curriculum, budget, [])
    found = Kept(tmp_path / "recognition.json").found["results"]
    assert found["prototypical"]["meta_steps"] == -1
    assert len(found["plasticity"]["accuracy"]) == 2
    assert len(found["plasticity"]["nearest"]) == 1
    assert "compares images" in found["arc"]["cannot"]
    figure.recognition(Kept(tmp_path / "recognition.json").found, tmp_path / "recognition.png")
    assert (tmp_path / "recognition.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_optimisers_fit_an_archives_values_from_the_same_starts(curriculum, tmp_path, monkeypatch):
    monkeypatch.setattr(fits, "PROBLEMS", {"values": {"shots": 8, "queries": 1, "episodes": 1}})
    monkeypatch.setattr(fits, "STEPS", 5)
    monkeypatch.setattr(fits, "SETTINGS", {("values", name): {"decay": 1} for name in fits.LEARNED})
    monkeypatch.setattr(fits, "NAMES", ("adam",))
    told = fits._told  # what was hardly taught may rise, which would leave tasks out of the curves' beginnings
    monkeypatch.setattr(fits, "_told", lambda way: told(way.minimum(way[:, :1])))
    kept = Kept(tmp_path / "fits.json")
    fits.measure(kept, curriculum, {"seconds": 0.05, "tasks": 3, "seed": 0}, [])
    results = kept.found["results"].values()
    assert [each["by"] for each in results] == ["adam", "lstm-optimiser", "hierarchical-optimiser"]
    assert len({each["curve"][0] for each in results}) == 1
    figure.fits(kept.found, tmp_path / "fits.png")
    assert (tmp_path / "fits.png").stat().st_size > 1000


def test_a_task_that_diverges_is_counted_and_no_mean_holds_it(tmp_path):
    way = torch.tensor([[4.0, 2.0, 1.0], [4.0, torch.nan, torch.nan], [4.0, 3.0, 5.0], [4.0, 4.0, 2.0]])
    told = fits._told(way)
    assert (told["diverged"], told["tasks"], told["curve"], told["last"]) == (2, 4, [4.0, 3.0, 1.5], 1.5)
    kept = Kept(tmp_path / "fits.json")
    kept.begin({"seed": 0})
    kept.keep("sgd", told)
    kept.keep("all lost", fits._told(way[1:2]))
    assert Kept(tmp_path / "fits.json").found["results"]["all lost"] == {"diverged": 1, "tasks": 1}
    with pytest.raises(ValueError, match="JSON"):
        kept.keep("adam", {"last": float("nan")})


@pytest.mark.slow
def test_scores_of_other_branches_agents_are_told_beside_what_adds_an_agent_to_a_niche(
    curriculum, tmp_path, monkeypatch
):
    monkeypatch.setattr(scores, "FAMILY", {"shots": 1, "queries": 1})
    monkeypatch.setattr(scores, "SPLIT", "train")
    monkeypatch.setattr(scores, "names", lambda takes: ["hypernetwork"])
    kept = Kept(tmp_path / "scores.json")
    scores.measure(kept, curriculum, {"seconds": 0.05, "tasks": 4, "seed": 0}, [])
    results = kept.found["results"]
    assert {"hypernetwork", "environment and agent added", "mean of the agent"} <= set(results)
    figure.scores(kept.found, tmp_path / "scores.png")
    assert (tmp_path / "scores.png").stat().st_size > 1000


@pytest.mark.slow
def test_how_bodies_move_is_told_beside_networks_that_are_told_and_not(tmp_path, monkeypatch):
    domain = find_domain("walker2d")
    genomes = {"train": [{"physics": {"delay": delay}} for delay in (0, 2)]}
    pool = Pool({"validation": [], "test": [], **genomes}, domain, domain.encoding("parametric", {}))

    def family(source, shots, *, told):
        return Dynamics(DynamicsSettings(shots=shots, queries=2, steps=30, told=told), pool)

    for name, value in {"_family": family, "SHOTS": (1, 2), "SPLIT": "train", "names": lambda takes: ["anil"]}.items():
        monkeypatch.setattr(dynamics, name, value)
    kept = Kept(tmp_path / "dynamics.json")
    dynamics.measure(kept, SimpleNamespace(document={"sha256": ""}), {"seconds": 0.05, "tasks": 3, "seed": 0}, [])
    results = Kept(tmp_path / "dynamics.json").found["results"]
    assert {name: len(each["errors"]) for name, each in results.items()} == dict.fromkeys(
        (
            "linear, all training bodies",
            "linear, nearest training body",
            "blind network",
            "told network",
            "anil",
        ),
        2,
    )
    figure.dynamics(kept.found, tmp_path / "dynamics.png")
    assert (tmp_path / "dynamics.png").stat().st_size > 1000


def test_rooms_of_learners_are_the_folders_that_they_are_in():
    assert [learners.room_of(name) for name in ("prototypical", "maml", "plasticity", "no-such")] == [
        "metric",
        "gradient",
        "plastic",
        "others",
    ]
