"""Export the environments and agents of one run or several as a curriculum that needs nothing of this project.

The folder's format is that of `environments.tasks.curriculum`, which reads it back.
It is made aside and renamed, and is the same to the last byte whenever the
archive and the software are: no clock, no host, no path goes in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from environments.difficulty import difficulty_of, level_vectors_of
from environments.domain import Environment
from environments.files import check_folder, writing_folder
from environments.tasks.curriculum import (
    AGENTS,
    BOUNDARY,
    DOCUMENT,
    FORMAT,
    ROWS,
    SCHEMA_VERSION,
    SPLITS,
    TABLE,
    listed_files,
    seal,
)
from environments.weights import agent_bytes
from poet.archive import checksums
from poet.archive.best import best_agents
from poet.archive.domains import domain_of
from poet.archive.inspection import NICHES, Known
from poet.archive.reading import one_moment, read_config, read_population, read_steps
from poet.archive.rescoring import EPISODES, Fresh, of_all
from poet.config import Config, if_installed
from poet.errors import InputError
from poet.export import card
from poet.export.merging import Found, check_alike, environment_of, merge
from poet.export.scores import score_rows, write_scores
from poet.export.splits import Fractions, SplitBy, StageOrder, split_by_lineage, split_by_rank
from poet.export.tried import tried_rows, with_splits, write_tried

Row = dict[str, Any]

EVALUATION_SEEDS = 10  # episode seeds that results on a curriculum are to be reported on
SOFTWARE = ("poet-trailblazer", "gymnasium", "box2d", "pybullet", "numpy")
COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("niche", pa.int64()),
        ("domain", pa.string()),
        ("encoding", pa.string()),
        ("genome", pa.string()),
        ("terrain_seed", pa.int64()),
        ("parent", pa.string()),
        ("parents", pa.list_(pa.string())),
        ("born", pa.int64()),
        ("admitted_by", pa.string()),
        ("admission_score", pa.float64()),
        ("novelty", pa.float64()),
        ("retired", pa.int64()),
        ("difficulty", pa.float64()),
        ("difficulty_level", pa.string()),
        ("solver_return", pa.float64()),
        ("solver_return_low", pa.float64()),
        ("solver_return_high", pa.float64()),
        ("solver_median", pa.float64()),
        ("solver_median_seed", pa.int64()),
        ("solver_finished", pa.float64()),
        ("luckiest_score", pa.float64()),
        ("solved", pa.bool_()),
        ("solved_at", pa.int64()),
        ("split", pa.string()),
        ("order", pa.int64()),
        ("level", pa.list_(pa.float64())),
        ("agent", pa.string()),
    ]
)
PROVENANCE = pa.schema(
    [
        ("run", pa.string()),  # whose row it is
        ("run_niche", pa.int64()),  # its niche's id there; `niche` is of this curriculum
        ("also_in", pa.list_(pa.string())),  # other runs that invented it too
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """How tasks are split and ordered."""

    split_by: SplitBy = SplitBy.LINEAGE
    fractions: Fractions = field(default_factory=Fractions)
    seed: int = 0  # of the splits
    stage_order: StageOrder = StageOrder.BIRTH


@dataclass(frozen=True, slots=True)
class Source:
    """A run to export."""

    name: str  # by which tasks of several runs name it
    connection: Connection  # to its archive
    fresh: Known | None = None  # the fresh episodes of every niche's best agent, where the caller has them


def export(connection: Connection, folder: Path, settings: ExportSettings, fresh: Known | None = None) -> Row:
    """Write the curriculum of a run; an older one in the folder is replaced at once and whole, and nothing else goes.

    Args:
        connection: the archive.
        folder: to write.
        settings: of splits and order.
        fresh: the fresh episodes of every niche's best agent, where the caller has them (`poet.archive.rescoring`).

    Returns:
        The document: what `curriculum.json` holds.

    Raises:
        InputError: the splits are impossible, or the archive is damaged.
        PlaceError: the folder holds something else, or cannot be written.
        DiskError: the disk is full or broken; an older curriculum is kept.
    """
    check_folder(folder, listed_files)
    found = find_tasks(connection, "", fresh)
    seeds = {"run": found.config.seed}
    return _write(
        folder, found, found.rows, COLUMNS, settings, {}, {"seeds": seeds}, card.origin_of(found.config, found.rows)
    )


def export_sources(
    sources: Sequence[Source], folder: Path, settings: ExportSettings, fresh: Callable[[int], Known]
) -> Row:
    """Write the curriculum of one run, or one of several; see `export` and `export_several`.

    `fresh` gives the fresh episodes of a source by its place, and is asked when all else that can be wrong is not.
    """
    check_folder(folder, listed_files)
    check_alike([(source.name, read_config(source.connection)) for source in sources])
    known = [replace(source, fresh=fresh(place)) for place, source in enumerate(sources)]
    if len(known) == 1:
        return export(known[0].connection, folder, settings, known[0].fresh)
    return export_several(known, folder, settings)


def export_several(sources: Sequence[Source], folder: Path, settings: ExportSettings) -> Row:
    """Write one curriculum of several runs; as `export`, but that each task says which runs it is from.

    Raises:
        InputError: the runs cannot be one curriculum, the splits are impossible, or an archive is damaged.
        PlaceError: the folder holds something else, or cannot be written.
        DiskError: the disk is full or broken; an older curriculum is kept.
    """
    check_folder(folder, listed_files)
    ranked = sorted(sources, key=lambda source: source.name)  # in whatever order they were named
    several = [find_tasks(source.connection, source.name, source.fresh) for source in ranked]
    merged = merge(several)
    facts = {
        "run": {"episode_limit": merged.found.config.episode_limit, "solver_episodes": EPISODES},
        "seeds": {"runs": {found.name: found.config.seed for found in several}},
        "runs": {
            found.name: {
                "tasks": sum(row["run"] == found.name for row in merged.found.rows),
                "iterations": found.iterations,
                **found.steps,
                "settings": found.config.to_table(),
            }
            for found in several
        },
    }
    columns = pa.schema([*COLUMNS, *PROVENANCE])
    kin, origin = merged.kin, card.origin_of_several(several, merged.found.rows)
    return _write(folder, merged.found, merged.found.rows, columns, settings, kin, facts, origin)


def find_tasks(connection: Connection, name: str, fresh: Known | None) -> Found:
    """Read what a run gives a curriculum, as of one moment."""
    with one_moment(connection):
        checksums.check_states(connection)
        config = read_config(connection)
        domain = domain_of(connection, config)
        rows = _tasks(connection, of_all(connection) if fresh is None else fresh)
        best = best_agents(connection)
        agents = {row["agent"]: agent_bytes(domain.controller, best[row["niche"]].theta) for row in rows}
        iterations, steps = read_population(connection).iteration, read_steps(connection)
        tried, scores = tried_rows(connection), score_rows(connection)
        return Found(name, config, domain, rows, agents, iterations, steps, tried, scores)


def _write(
    folder: Path,
    found: Found,
    tasks: Sequence[Row],
    columns: pa.Schema,
    settings: ExportSettings,
    kin: Mapping[str, Sequence[str]],
    facts: Mapping[str, Any],
    origin: str,
) -> Row:
    """Write tasks, with the settings, domain and agents of what was found, and further facts of the document."""
    levelled, level_columns = _with_levels(tasks)
    rows = _split_and_order(levelled, settings, kin)
    domain = found.domain
    with writing_folder(folder, listed_files) as aside:
        (aside / AGENTS).mkdir()
        _write_rows(aside, rows, columns)
        write_tried(aside, with_splits(found.tried, rows, settings.fractions))
        write_scores(aside, found.scores)
        for name in [row["agent"] for row in rows]:
            (aside / name).write_bytes(found.agents[name])
        controller = domain.controller
        layers = {"sizes": list(controller.sizes), "activation": controller.activation, "dtype": "float32"}
        if controller.output != controller.activation:
            layers["output"] = controller.output
        (aside / AGENTS / "layers.json").write_text(_pretty(layers), encoding="utf-8")
        card.write(aside, rows, found.config, domain, origin)
        document = _document(aside, rows, level_columns, found, settings)
        sealed = seal({**document, **facts, "seeds": {**facts["seeds"], **document["seeds"]}})
        (aside / DOCUMENT).write_text(_pretty(sealed), encoding="utf-8")
    return sealed


def _tasks(connection: Connection, fresh: Known) -> list[Row]:
    """List what the archive says of every environment, by admission.

    Equal environments count once.
    One that was admitted again is the child of all its parents: `parents` lists them, `parent` is the first's.
    """
    niches = list(connection.execute(f"{NICHES} ORDER BY niche.id"))
    ids = {row["id"]: row["environment"] for row in niches}
    parents: dict[str, dict[str, None]] = {row["environment"]: {} for row in niches}
    for row in niches:
        if row["parent"] is not None and ids[row["parent"]] != row["environment"]:
            parents[row["environment"]][ids[row["parent"]]] = None
    environments = {niche.environment.id: niche.environment for niche in read_population(connection).niches}
    rows, seen = [], set()
    for row in niches:
        if row["environment"] not in seen:
            seen.add(row["environment"])
            task = _task(row, ids, environments[row["environment"]], fresh[row["id"]])
            rows.append({**task, "parents": list(parents[row["environment"]])})
    return rows


def _with_levels(rows: Sequence[Row]) -> tuple[list[Row], list[str] | None]:
    """Add the level vector of every task, and name the vectors' columns."""
    vectors = if_installed(lambda: level_vectors_of([environment_of(row) for row in rows]))
    if not vectors:
        return [{**row, "level": None} for row in rows], None
    levels = vectors.rows.tolist()
    return [{**row, "level": level} for row, level in zip(rows, levels, strict=True)], list(vectors.columns)


def _task(row: Any, ids: Mapping[int, str], environment: Environment, fresh: Fresh) -> Row:
    difficulty = if_installed(lambda: difficulty_of(environment))
    low, high = fresh.interval or (None, None)
    return {
        "id": environment.id,
        "niche": row["id"],
        "domain": environment.domain,
        "encoding": environment.encoding,
        "genome": environment.genome,
        "terrain_seed": environment.seed,
        "parent": None if row["parent"] is None else ids[row["parent"]],
        "born": row["born"],
        "admitted_by": None if row["first_agent"] is None else ids[row["first_agent"]],
        "admission_score": row["first_score"],
        "novelty": row["novelty"],
        "retired": row["retired"],
        "difficulty": difficulty.score if difficulty else None,
        "difficulty_level": difficulty.name if difficulty else None,
        "solver_return": fresh.mean,
        "solver_return_low": low,
        "solver_return_high": high,
        "solver_median": fresh.median_return,
        "solver_median_seed": fresh.median_seed,
        "solver_finished": fresh.finished / len(fresh.seeds),
        "luckiest_score": row["best_score"],
        "solved": row["solved"] is not None,
        "solved_at": row["solved"],
        "agent": f"{AGENTS}/{environment.id}.safetensors",
    }


def _split_and_order(rows: Sequence[Row], settings: ExportSettings, kin: Mapping[str, Sequence[str]]) -> list[Row]:
    """Add split and order to every task; rows come back in their order. Kin are kept apart as parents are."""
    tree = {row["id"]: [*row["parents"], *kin.get(row["id"], ())] for row in rows}
    if settings.split_by is SplitBy.LINEAGE:
        splits = split_by_lineage(tree, settings.fractions, settings.seed)
    else:
        ranked = _ranked(rows, settings.split_by, "--split-by")
        splits = split_by_rank(tree, ranked, settings.fractions, settings.split_by)
    order = {task: place for place, task in enumerate(_ranked(rows, settings.stage_order, "--stage-order"))}
    placed = [{**row, "split": splits[row["id"]], "order": order[row["id"]]} for row in rows]
    return sorted(placed, key=lambda row: int(row["order"]))


def _ranked(rows: Sequence[Row], by: str, option: str) -> list[str]:
    if by == SplitBy.BIRTH:
        return [row["id"] for row in rows]  # niches are numbered by birth
    if any(row["difficulty"] is None for row in rows):
        domain, encoding = rows[0]["domain"], rows[0]["encoding"]
        raise InputError(f"{option} difficulty needs a measure of it; {domain} has none for encoding {encoding}")

    def place(row: Row) -> tuple[int, float, int]:
        difficulty = difficulty_of(environment_of(row))
        assert difficulty is not None
        return difficulty.level, difficulty.score, row["niche"]

    return [row["id"] for row in sorted(rows, key=place)]


def _write_rows(folder: Path, rows: Sequence[Row], columns: pa.Schema) -> None:
    named = [{name: row[name] for name in columns.names} for row in rows]
    lines = [json.dumps(row, allow_nan=False) for row in named]
    (folder / ROWS).write_text("\n".join([*lines, ""]), encoding="utf-8")
    flat = [{**row, "genome": json.dumps(row["genome"], sort_keys=True)} for row in named]
    table = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(flat, columns), table)
    (folder / TABLE).write_bytes(table.getvalue())


def _document(
    folder: Path,
    rows: Sequence[Row],
    columns: list[str] | None,
    found: Found,
    settings: ExportSettings,
) -> dict[str, Any]:
    config, domain = found.config, found.domain
    by_order = [row["id"] for row in rows]
    return {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "domain": {
            "name": domain.name,
            "observation_size": domain.controller.sizes[0],
            "action_size": domain.controller.sizes[-1],
            "episode_limit": domain.episode_limit,
            "fall_return": domain.fall_return,
            "solved_return": domain.solved_return,
        },
        "encoding": {"name": config.encoding.name, "options": config.encoding.options, "genes": genes(config)},
        "environments": {
            row["id"]: {name: row[name] for name in ("domain", "encoding", "genome")} | {"seed": row["terrain_seed"]}
            for row in sorted(rows, key=lambda row: int(row["niche"]))
        },
        "splits": {
            "by": settings.split_by,
            "fractions": list(settings.fractions.shares),
            "members": {name: [row["id"] for row in rows if row["split"] == name] for name in (*SPLITS, BOUNDARY)},
        },
        "stages": {"by": settings.stage_order, "order": by_order},
        "level_columns": columns,
        "seeds": {"splits": settings.seed, "evaluation": list(range(EVALUATION_SEEDS))},
        "run": {
            "episode_limit": config.episode_limit,
            "solver_episodes": EPISODES,
            "score_episodes": config.episodes_per_score,
            **found.steps,
            "settings": config.to_table(),
        },
        "versions": _versions(),
        "files": {path.relative_to(folder).as_posix(): _fingerprint(path) for path in sorted(folder.rglob("*.*"))},
    }


def genes(config: Config) -> Row:
    """Say what the encoding says of its genes: bounds, steps, units; nothing if it says nothing."""
    describe = getattr(if_installed(config.make_encoding), "genes", None)
    return describe() if describe else {}


def _versions() -> dict[str, str]:
    found = {}
    for name in SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _fingerprint(path: Path) -> Row:
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _pretty(value: Any) -> str:
    return f"{json.dumps(value, indent=1, sort_keys=True, allow_nan=False)}\n"
