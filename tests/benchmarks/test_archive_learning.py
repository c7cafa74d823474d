"""The learners on an archive: what is kept, what joins, and that the figures are drawn of it."""

import pytest
import synthetic_archive

from benchmarks.archive_learning import figure, fits, learners, recognition
from benchmarks.archive_learning.kept import Kept
from environments.tasks.curriculum import Curriculum


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
    assert "compares images" in found["arc"]["cannot"]
    figure.recognition(Kept(tmp_path / "recognition.json").found, tmp_path / "recognition.png")
    assert (tmp_path / "recognition.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_optimisers_fit_an_archives_values_from_the_same_starts(curriculum, tmp_path, monkeypatch):
    monkeypatch.setattr(fits, "PROBLEMS", {"values": {"shots": 8, "queries": 1, "episodes": 1}})
    monkeypatch.setattr(fits, "STEPS", 5)
    monkeypatch.setattr(fits, "NAMES", ("adam",))
    kept = Kept(tmp_path / "fits.json")
    fits.measure(kept, curriculum, {"seconds": 0.05, "tasks": 3, "seed": 0}, [])
    results = kept.found["results"].values()
    assert [each["by"] for each in results] == ["adam", "lstm-optimiser", "hierarchical-optimiser"]
    assert len({each["curve"][0] for each in results}) == 1
    figure.fits(kept.found, tmp_path / "fits.png")
    assert (tmp_path / "fits.png").stat().st_size > 1000


def test_rooms_of_learners_are_the_folders_that_they_are_in():
    assert [learners.room_of(name) for name in ("prototypical", "maml", "plasticity", "no-such")] == [
        "metric",
        "gradient",
        "plastic",
        "others",
    ]
