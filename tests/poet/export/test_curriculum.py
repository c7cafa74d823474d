"""`poet export`: the folder against the archive, read by other means than those that wrote it."""

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import synthetic_archive
from runs import variables
from safetensors.numpy import load_file

from environments.domain import Environment
from environments.tasks.curriculum import Curriculum, CurriculumError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A walker run of 40 niches that nobody had to evolve."""
    folder = tmp_path_factory.mktemp("export") / "run"
    synthetic_archive.write(folder, niches=40, iterations=400)
    return folder


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    from poet.archive.reading import reading  # noqa: PLC0415
    from poet.export.curriculum import ExportSettings, export  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("exported") / "curriculum"
    with reading(run) as connection:
        export(connection, folder, ExportSettings())
    return folder


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def rows_of(folder):
    return [json.loads(line) for line in (folder / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]


def niches_of(run):
    connection = sqlite3.connect(run / "archive.sqlite")
    connection.row_factory = sqlite3.Row
    found = connection.execute("SELECT niche.*, best_theta, best_score FROM niche JOIN pair ON id = niche").fetchall()
    connection.close()
    return {row["id"]: row for row in found}


def test_table_says_what_the_archive_says(run, exported):
    niches, rows = niches_of(run), rows_of(exported)
    assert len(rows) == len(niches) == 40
    for row in rows:
        niche = niches[row["niche"]]
        assert row["genome"] == json.loads(niche["genome"])
        for ours, theirs in {"id": "environment", "luckiest_score": "best_score", "solved_at": "solved"}.items():
            assert row[ours] == niche[theirs]
        for name in ("terrain_seed", "born", "retired", "domain", "encoding"):
            assert row[name] == niche[name]
        assert row["parent"] == (None if niche["parent"] is None else niches[niche["parent"]]["environment"])
        assert row["level"][0] == row["genome"]["roughness"]
        assert row["level"][-1] == row["terrain_seed"]
    assert [row["order"] for row in rows] == list(range(40))
    assert [row["born"] for row in rows] == sorted(row["born"] for row in rows)


def test_parquet_and_json_lines_are_twins(exported):
    table = pq.read_table(exported / "tasks.parquet").to_pylist()
    assert [{**row, "genome": json.loads(row["genome"])} for row in table] == rows_of(exported)


def test_agents_are_the_archives_best_to_the_last_bit(run, exported):
    niches, curriculum = niches_of(run), Curriculum.load(exported)
    layers = json.loads((exported / "agents" / "layers.json").read_text(encoding="utf-8"))
    assert layers["sizes"] == [24, 40, 40, 4]
    for row in rows_of(exported)[::7]:
        theta = np.frombuffer(niches[row["niche"]]["best_theta"], dtype="<f8").astype(np.float32)
        tensors = load_file(exported / row["agent"])
        assert tensors["0.weight"].shape == (40, 24)
        np.testing.assert_array_equal(tensors["0.weight"].T.ravel(), theta[: 24 * 40])
        np.testing.assert_array_equal(tensors["4.bias"], theta[-4:])
        np.testing.assert_array_equal(curriculum.agent(row["id"]), theta)


def test_document_names_every_file_with_its_hash_and_every_gene_with_bounds_and_unit(exported):
    document = json.loads((exported / "curriculum.json").read_text(encoding="utf-8"))
    files = content(exported)
    files.pop(Path("curriculum.json"))
    assert {name: entry["sha256"] for name, entry in document["files"].items()} == {
        str(path): hashlib.sha256(data).hexdigest() for path, data in files.items()
    }
    assert document["schema_version"] == 1
    gap = document["encoding"]["genes"]["pit_gap"]
    assert (gap["minimum"], gap["maximum"], gap["initial"], gap["unit"]) == (0, 10, [0, 0.8], "steps of 14/30 m")
    assert {"poet-trailblazer", "numpy", "gymnasium", "box2d"} <= set(document["versions"])
    assert document["seeds"]["evaluation"] == list(range(10))
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".pt", ".npy")]


def test_environments_round_trip_exactly(run, exported):
    curriculum = Curriculum.load(exported)
    for niche in niches_of(run).values():
        expected = Environment(
            domain="walker2d",
            encoding="parametric",
            genome=json.loads(niche["genome"]),
            seed=niche["terrain_seed"],
        )
        assert curriculum.task(niche["environment"]).environment == expected


@pytest.mark.parametrize("by", ["lineage", "difficulty", "birth"])
def test_no_task_and_its_parent_lie_in_two_splits(run, tmp_path, poet, by):
    done = poet("export", run, "-o", tmp_path / "c", "--split-by", by, "--stage-order", "difficulty", "--json")
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "c")
    splits = {row["id"]: row["split"] for row in rows}
    for row in rows:
        if row["parent"] is not None and "boundary" not in (row["split"], splits[row["parent"]]):
            assert row["split"] == splits[row["parent"]]
    assert set(splits.values()) >= {"train", "validation", "test"}
    assert json.loads(done.stdout)["splits"]["test"] == list(splits.values()).count("test")
    levels = ["easy", "challenging", "very challenging", "extremely challenging"]
    ranks = [(levels.index(row["difficulty_level"]), row["difficulty"]) for row in rows]
    assert ranks == sorted(ranks)


def test_same_archive_gives_the_same_bytes_in_another_process_and_place(run, exported, tmp_path, poet):
    shutil.copytree(run, tmp_path / "elsewhere")
    assert poet("export", tmp_path / "elsewhere", "-o", tmp_path / "again").returncode == 0
    ours, theirs = content(tmp_path / "again"), content(exported)
    assert ours.keys() == theirs.keys()
    assert [name for name, data in theirs.items() if ours[name] != data] == []


def test_export_replaces_a_curriculum_whole_but_removes_nothing_that_is_not_its_own(run, tmp_path, poet):
    place = tmp_path / "c"
    assert poet("export", run, "-o", place, "--fractions", "1,0,0").returncode == 0
    mine = place / "mine.txt"
    mine.write_text("my work", encoding="utf-8")
    refused = poet("export", run, "-o", place)
    assert refused.returncode == 2
    assert "holds 'mine.txt', which the export there does not list" in refused.stderr
    assert mine.read_text(encoding="utf-8") == "my work"
    assert not Curriculum.load(place).test_tasks
    mine.unlink()
    assert poet("export", run, "-o", place).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert Curriculum.load(place).test_tasks


@pytest.mark.parametrize(
    "name", ["tasks.jsonl", "tasks.parquet", "README.md", "curriculum.json", "pictures/courses.png"]
)
def test_any_changed_file_is_noticed_and_named(exported, tmp_path, name):
    folder = tmp_path / "c"
    shutil.copytree(exported, folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(CurriculumError, match=name.replace(".", r"\.")):
        Curriculum.load(folder)
    if name != "curriculum.json":
        Curriculum.load(folder, verify=False)


def test_truncated_agent_is_noticed(exported, tmp_path):
    folder = tmp_path / "c"
    shutil.copytree(exported, folder)
    agent = next((folder / "agents").glob("*.safetensors"))
    agent.write_bytes(agent.read_bytes()[:100])
    with pytest.raises(CurriculumError, match="has been changed or truncated"):
        Curriculum.load(folder)
    with pytest.raises(CurriculumError, match="is not a safetensors file, or is truncated"):
        Curriculum.load(folder, verify=False).agent(agent.stem)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fractions", "0.5,0.5,0.5"], "--fractions 0.5,0.5,0.5 cannot be: three shares from 0 to 1 must sum to 1"),
        (["--fractions", "1"], "--fractions 1 is not three numbers"),
        (["--split-by", "luck"], "--split-by is 'luck'; it must be one of lineage, difficulty, birth"),
        (["--seed", "-1"], "--seed is '-1'; it must be a whole number in [0, "),
    ],
)
def test_impossible_splits_are_refused_with_nothing_written(run, tmp_path, poet, options, message):
    refused = poet("export", run, "-o", tmp_path / "c", *options)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_run_too_short_to_split_and_archives_that_are_none_are_refused(tmp_path, poet):
    synthetic_archive.write(tmp_path / "short", niches=2, iterations=20)
    refused = poet("export", tmp_path / "short", "-o", tmp_path / "c")
    assert refused.returncode == 2
    assert "2 tasks cannot be split by lineage into train, validation, test" in refused.stderr
    assert poet("export", tmp_path / "short", "-o", tmp_path / "c", "--fractions", "1,0,0").returncode == 0
    nowhere = poet("export", tmp_path / "nowhere", "-o", tmp_path / "d")
    assert nowhere.returncode == 2
    assert "holds no run" in nowhere.stderr
    assert not (tmp_path / "d").exists()


def test_an_environment_invented_twice_is_one_task_that_leaks_to_neither_of_its_parents(tmp_path, poet):
    synthetic_archive.write(tmp_path / "run", niches=40, iterations=400)
    before = niches_of(tmp_path / "run")
    # Give every fifth niche the environment of one far off, as runs do that invent it again under another parent.
    twins = {number: (number * 7) % 40 for number in range(5, 40, 5) if (number * 7) % 40 not in (0, number)}
    same = "genome, environment, terrain_seed"
    with sqlite3.connect(tmp_path / "run" / "archive.sqlite") as connection:
        for number, other in twins.items():
            connection.execute(
                f"UPDATE niche SET ({same}) = (SELECT {same} FROM niche WHERE id = ?) WHERE id = ?", (other, number)
            )
        connection.execute("DELETE FROM checksum")  # as in an archive from before there were any
    connection.close()
    niches = niches_of(tmp_path / "run")
    for way in ("lineage", "birth", "difficulty"):
        assert poet("export", tmp_path / "run", "-o", tmp_path / way, "--split-by", way).returncode == 0
        rows = {row["id"]: row for row in rows_of(tmp_path / way)}
        assert len(rows) < len(before)
        for row in rows.values():
            of = {each["parent"] for each in niches.values() if each["environment"] == row["id"]} - {None}
            assert set(row["parents"]) == {niches[number]["environment"] for number in of} - {row["id"]}
        for niche in niches.values():
            if niche["parent"] is not None:
                ends = {rows[niches[each]["environment"]]["split"] for each in (niche["id"], niche["parent"])}
                assert len(ends - {"boundary"}) < 2


def test_folder_of_something_else_is_left_alone(run, tmp_path, poet):
    (tmp_path / "thesis.tex").write_text("precious", encoding="utf-8")
    for place in (tmp_path, tmp_path / "thesis.tex", tmp_path / "thesis.tex" / "c"):
        refused = poet("export", run, "-o", place)
        assert refused.returncode == 2, place
        assert refused.stderr.count("\n") == 1, refused.stderr
    assert content(tmp_path) == {Path("thesis.tex"): b"precious"}


def test_any_domain_exports_though_it_has_no_pictures(tmp_path, toy_file, poet):
    assert poet("evolve", tmp_path / "run", "--config", toy_file, "--workers", 1).returncode == 0
    done = poet("export", tmp_path / "run", "-o", tmp_path / "c", "--fractions", "0.5,0.25,0.25")
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "c")
    assert rows[0]["genome"] == {"target": [0.9, -0.6, 0.3]}
    assert rows[0]["difficulty"] is rows[0]["level"] is None
    refused = poet("export", tmp_path / "run", "-o", tmp_path / "d", "--split-by", "difficulty")
    assert refused.returncode == 2
    assert "--split-by difficulty needs a measure of it; toy has none for encoding target" in refused.stderr
    assert variables()  # the toy lives outside the project's packages


def test_export_while_the_run_goes_on_disturbs_nothing(tmp_path, toy_config, poet):
    from cluster.executor import InProcess  # noqa: PLC0415
    from evolution.evaluator import Evaluator  # noqa: PLC0415
    from poet.algorithm import evolve  # noqa: PLC0415
    from poet.archive.store import Archive  # noqa: PLC0415
    from poet.population import first_population  # noqa: PLC0415

    archive = Archive.create(tmp_path / "run", toy_config, first_population(toy_config))
    evaluator = Evaluator(toy_config.simulation(), InProcess())
    for number, (population, journal) in enumerate(evolve(archive.population, toy_config, evaluator)):
        archive.commit(population, journal, 0.0, 1)
        if number == 20:
            done = poet("export", tmp_path / "run", "-o", tmp_path / "c", "--fractions", "1,0,0")
            assert done.returncode == 0, done.stderr
    archive.close()
    assert population.iteration == 36
    assert 1 < len(rows_of(tmp_path / "c")) < len(population.niches)
