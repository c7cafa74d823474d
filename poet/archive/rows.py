"""Between the program's objects and the archive's rows, both ways; the columns are those of `schema.sql`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from sqlite3 import Row
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.documents import parse_json
from environments.domain import Environment, Genome
from evolution.optimisers.optimiser import Figures, State
from evolution.performance import Pairing
from poet.errors import InputError
from poet.population import Archived, Best, Niche, Pair
from poet.records import AgentRecord, ChildRecord, ReuseRecord, ScoreRecord, TransferRecord
from transfer.tournament import Candidate, best


def _blob(vector: NDArray[np.float64]) -> bytes:
    return np.asarray(vector).astype("<f8").tobytes()


def read_blob(blob: bytes) -> NDArray[np.float64]:
    """Read a vector that the archive keeps: (P,)."""
    return np.frombuffer(blob, dtype="<f8").astype(np.float64)


def read_genome(text: str) -> Genome:
    """Read a genome that the archive keeps.

    Raises:
        ValueError: the text is not one.
    """
    try:
        genome = parse_json(text)
    except ValueError as error:
        raise ValueError(f"a genome {error}") from error
    if not isinstance(genome, dict):
        raise ValueError(f"a genome is {genome!r}, which is no table of genes")
    return genome


def niche_from(row: Row) -> Niche:
    """Read a niche.

    Raises:
        InputError: it is not the environment whose content hash is kept.
    """
    fields = {name: row[name] for name in ("domain", "encoding")}
    written = {**fields, "genome": read_genome(row["genome"]), "seed": row["terrain_seed"]}
    environment = Environment.from_fields(written, as_written=True)
    if environment.id != row["environment"]:
        raise InputError(
            f"the archive is damaged: niche {row['id']} is kept as {row['environment']}, but its genome and seed have "
            f"the content hash {environment.id}; restore a copy"
        )
    return Niche(row["id"], environment, row["parent"], row["born"], row["archive_score"])


def niche_row(niche: Niche) -> dict[str, Any]:
    """Lay out a niche."""
    return {
        "id": niche.id,
        **_environment_row(niche.environment),
        "domain": niche.environment.domain,
        "encoding": niche.environment.encoding,
        "parent": niche.parent,
        "born": niche.born,
        "archive_score": niche.archive_score,
    }


def _environment_row(environment: Environment) -> dict[str, Any]:
    return {
        "environment": environment.id,
        "genome": json.dumps(environment.genome, sort_keys=True),
        "terrain_seed": environment.seed,
    }


def archived_from(row: Row, niche: Niche) -> Archived:
    """Read what stays of a retired pair, given its niche."""
    return Archived(niche, row["retired"], row["solved"], read_blob(row["theta"]))


def state_from(theta: NDArray[np.float64], rows: Iterable[Row]) -> State:
    """Read what an optimiser knows of an agent.

    Raises:
        ValueError: an array is not of its shape.
    """
    return State(theta, {row["name"]: read_blob(row["value"]).reshape(_shape(row["shape"])) for row in rows})


def _shape(text: str) -> tuple[int, ...]:
    shape = parse_json(text)
    if not isinstance(shape, list) or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError(f"an array has the shape {text}")
    return tuple(shape)


def state_rows(pair: Pair) -> list[dict[str, Any]]:
    """Lay out what an optimiser knows of a pair's agent."""
    return [
        {
            "niche": pair.niche.id,
            "name": name,
            "shape": json.dumps(np.shape(value), separators=(",", ":")),
            "value": _blob(value),
        }
        for name, value in pair.learner.parts.items()
    ]


def pair_from(row: Row, niche: Niche, recent: tuple[float, ...], state: Iterable[Row]) -> Pair:
    """Read a pair, given its niche, its latest self-evaluations and the rows of its optimiser's state."""
    best = None
    if row["best_theta"] is not None:
        best = Best(row["best_score"], row["best_iteration"], read_blob(row["best_theta"]))
    return Pair(niche, state_from(read_blob(row["theta"]), state), row["score"], best, row["solved"], recent)


def pair_row(pair: Pair) -> dict[str, Any]:
    """Lay out the latest state of a pair's agent."""
    best = pair.best
    return {
        "niche": pair.niche.id,
        "theta": _blob(pair.learner.theta),
        "score": pair.score,
        "best_score": best.score if best else None,
        "best_iteration": best.iteration if best else None,
        "best_theta": _blob(best.theta) if best else None,
    }


def score_row(record: ScoreRecord, iteration: int, names: int) -> dict[str, Any]:
    """Lay out a pair's step and self-evaluation, given the id of its figures' names."""
    return {
        "niche": record.niche,
        "iteration": iteration,
        "score": record.score,
        **dict(zip(("finished", "fell", "timed_out", "diverged"), record.outcomes, strict=True)),
        "steps": record.steps,
        "names": names,
        "figures": _blob(np.array(list(record.figures.values()), dtype=np.float64)),
    }


def names_text(figures: Figures) -> str:
    """Write the names of figures as the archive keeps them."""
    return json.dumps(list(figures), separators=(",", ":"))


def child_row(record: ChildRecord, iteration: int) -> dict[str, Any]:
    """Lay out a child environment and the decision on it."""
    candidate = best(record.candidates) if record.candidates else None
    return {
        "iteration": iteration,
        "number": record.number,
        "parent": record.parent,
        **_environment_row(record.environment),
        "decision": record.decision,
        "parent_score": record.parent_score,
        "novelty": record.novelty,
        "source": candidate.source if candidate else None,
        "kind": candidate.kind if candidate else None,
        "score": candidate.score if candidate else None,
        "niche": record.niche,
    }


def input_row(record: ChildRecord, iteration: int) -> dict[str, Any]:
    """Lay out what a person put in."""
    return {"iteration": iteration, "number": record.number, "environment": record.environment.to_json()}


def transfer_row(record: TransferRecord, iteration: int) -> dict[str, Any]:
    """Lay out a tournament's result."""
    winner = record.winner
    return {
        "iteration": iteration,
        "target": record.target,
        "incumbent_score": record.incumbent_score,
        "source": winner.source if winner else None,
        "kind": winner.kind if winner else None,
        "score": winner.score if winner else None,
    }


def proposal_rows(record: TransferRecord, iteration: int) -> list[dict[str, Any]]:
    """Lay out a tournament's candidates."""
    return _candidate_rows(record.candidates, {"iteration": iteration, "target": record.target})


def audition_rows(record: ChildRecord, iteration: int) -> list[dict[str, Any]]:
    """Lay out every agent that was tried in a child environment."""
    return _candidate_rows(record.candidates, {"iteration": iteration, "number": record.number})


def _candidate_rows(candidates: Sequence[Candidate], place: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**place, "source": candidate.source, "kind": candidate.kind, "score": candidate.score}
        for candidate in candidates
    ]


def agent_row(record: AgentRecord, iteration: int) -> dict[str, Any]:
    """Lay out a kept copy of an agent."""
    return {
        "niche": record.niche,
        "iteration": iteration,
        "origin": record.origin,
        "source": record.source,
        "score": record.score,
        "theta": _blob(record.theta),
    }


def performance_rows(performances: Mapping[Pairing, float]) -> list[dict[str, Any]]:
    """Lay out the scores of agents in environments that need not be theirs."""
    return [
        {"agent": agent, "version": version, "environment": environment, "score": score}
        for (agent, version, environment), score in performances.items()
    ]


def reuse_rows(records: Sequence[ReuseRecord], iteration: int) -> list[dict[str, Any]]:
    """Lay out how many of those scores were known, phase by phase."""
    return [{"iteration": iteration, "number": number, **asdict(record)} for number, record in enumerate(records)]
