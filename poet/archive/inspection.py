"""What an archive says of its run: queries that return plain values, equal for equal runs.

Wall-clock times and hosts differ between equal runs and come only from `timing`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from sqlite3 import Connection
from textwrap import shorten
from typing import Any

from environments.difficulty import difficulty_of
from environments.domain import Encoding, Environment
from poet.archive.domains import controller_of
from poet.archive.figures import columns, plain
from poet.archive.reading import read_config, read_source
from poet.archive.rescoring import EPISODES, UNKNOWN, Fresh, cached
from poet.archive.rows import read_genome
from poet.config import Config, if_installed
from poet.errors import NoNicheError
from transfer.rules import original_cost

Row = dict[str, Any]
DESCRIPTION = 60  # characters shown of a genome whose encoding is not installed
Known = Mapping[int, Fresh]  # fresh episodes of niches' best agents, by niche

# Of ES: figures that the list of scores has never shown, and does not begin to, so that it stays what it was.
UNLISTED = ("es_deviation", "gradient_norm", "theta_norm")
NICHES = """
SELECT niche.id, niche.encoding, niche.parent, niche.born, niche.retired, niche.solved, niche.environment, niche.genome,
    niche.terrain_seed, niche.archive_score, pair.score, pair.best_score, pair.best_iteration,
    child.source AS first_agent, child.score AS first_score, child.novelty, input.number IS NOT NULL AS injected
FROM niche JOIN pair ON pair.niche = niche.id LEFT JOIN child ON child.niche = niche.id
    LEFT JOIN input ON (input.iteration, input.number) = (child.iteration, child.number)
"""


def summary(connection: Connection, fresh: Known | None = None) -> Row:
    """Give a run's headline figures; `fresh` in the place of the fresh episodes that the archive holds."""
    config = read_config(connection)
    figures = _row(
        connection,
        """SELECT (SELECT coalesce(max(iteration) + 1, 0) FROM iteration) AS iterations,
            count(*) AS niches, count(*) FILTER (WHERE retired IS NULL) AS active,
            count(*) FILTER (WHERE retired IS NOT NULL) AS retired,
            count(*) FILTER (WHERE solved IS NOT NULL) AS solved FROM niche""",
    )
    return {
        "domain": config.domain,
        "encoding": config.encoding.name,
        "optimiser": config.optimiser.name,
        "seed": config.seed,
        "source": read_source(connection),
        **figures,
        "iterations_wanted": config.iterations,
        "children": _counts(connection, "SELECT decision, count(*) FROM child GROUP BY decision ORDER BY decision"),
        "injected": _row(connection, "SELECT count(*) AS n FROM input")["n"],
        "annecs": _annecs(connection, config),
        "best_agents": _best_agents(figures["niches"], cached(connection) if fresh is None else fresh),
        "transfers": transfer_totals(connection),
        "transfer_episodes": _transfer_episodes(connection, config),
        "novelty": {"measure": config.reproduction.novelty, **_reuse(connection)},
        "episodes": _counts(connection, "SELECT purpose, sum(episodes) FROM cost GROUP BY purpose ORDER BY purpose"),
        "steps": _counts(connection, "SELECT purpose, sum(steps) FROM cost GROUP BY purpose ORDER BY purpose"),
        "diverged_episodes": _row(connection, "SELECT coalesce(sum(diverged), 0) AS n FROM iteration")["n"],
    }


def _best_agents(niches: int, fresh: Known) -> Row:
    """Tell what the niches' best agents are worth, those that have been scored on fresh episodes."""
    means = [one.mean for one in fresh.values()]
    return {
        "scored": len(means),
        "of": niches,
        "episodes": EPISODES,
        "lowest_mean": min(means, default=None),
        "highest_mean": max(means, default=None),
    }


def _annecs(connection: Connection, config: Config) -> Row | None:
    """Count the environments that met the criterion for every agent at their creation, and those of them solved."""
    if not config.reproduction.whole_archive:
        return None
    return _row(
        connection,
        """SELECT count(*) AS created, count(solved) AS created_and_solved FROM niche
            WHERE archive_score BETWEEN ? AND ?""",
        config.minimal_criterion.lower,
        config.minimal_criterion.upper,
    )


def _transfer_episodes(connection: Connection, config: Config) -> Row:
    """Tell what transfers cost, beside what the original rule would have cost on the same meetings."""
    spent = "SELECT coalesce(sum(episodes), 0) AS n FROM cost WHERE purpose = 'transfer'"
    # Whoever proposes is first tried directly, so that these count meetings.
    meetings = _row(connection, "SELECT count(*) AS n FROM proposal WHERE kind = 'direct'")["n"]
    agents = controller_of(connection, config)
    optimiser = None if agents is None else if_installed(lambda: config.make_optimiser(agents))
    episodes = None if optimiser is None else optimiser.episodes
    return {
        "spent": _row(connection, spent)["n"],
        "original_rule": original_cost(meetings, config.episodes_per_score, episodes) if episodes is not None else None,
    }


def _reuse(connection: Connection) -> Row:
    """Count the scores that the measure of novelty asked for, and those of them that the archive knew."""
    return _row(
        connection,
        """SELECT coalesce(sum(pairings), 0) AS pairings, coalesce(sum(reused), 0) AS reused
            FROM reuse WHERE purpose = 'novelty'""",
    )


def transfer_totals(connection: Connection) -> Row:
    """Count tournaments and how they ended."""
    return _row(
        connection,
        """SELECT count(*) AS attempts, count(source) AS accepted,
            count(*) FILTER (WHERE kind = 'direct') AS direct,
            count(*) FILTER (WHERE kind = 'fine-tuned') AS fine_tuned FROM transfer""",
    )


def niches(connection: Connection, fresh: Known | None = None) -> list[Row]:
    """List every niche, oldest first.

    `score` is the latest of the run and `best_score` the highest of all, which is the luckiest; `mean_return`
    and what follows it are of the same agent on fresh episodes (`poet.archive.rescoring`), null where none are known.
    """
    config = read_config(connection)
    known = cached(connection) if fresh is None else fresh
    encodings: dict[str, Encoding | None] = {}
    return [
        {**_niche(row, config, encodings), **_worth(known, row["id"])}
        for row in connection.execute(f"{NICHES} ORDER BY niche.id")
    ]


def _worth(known: Known, niche: int) -> Row:
    return known[niche].figures() if niche in known else UNKNOWN


def niche(connection: Connection, number: int, fresh: Known | None = None) -> Row:
    """Tell all of one niche.

    Raises:
        NoNicheError: there is no such niche.
    """
    found = connection.execute(f"{NICHES} WHERE niche.id = ?", (number,)).fetchone()
    if found is None:
        (count,) = connection.execute("SELECT count(*) FROM niche").fetchone()
        raise NoNicheError(number, count)
    config = read_config(connection)
    return {
        **_niche(found, config, {}),
        **_worth(cached(connection) if fresh is None else fresh, number),
        "ancestors": _ancestors(connection, number),
        "children": _rows(
            connection,
            """SELECT iteration, number, decision, parent_score, novelty, score, niche FROM child
            WHERE parent = ? AND (iteration, number) NOT IN (SELECT iteration, number FROM input)""",
            number,
        ),
        "transfers_in": _rows(
            connection,
            """SELECT iteration, source, kind, incumbent_score, score FROM transfer
            WHERE target = ? AND source IS NOT NULL ORDER BY iteration""",
            number,
        ),
        "transfer_attempts": _rows(
            connection,
            "SELECT count(*) AS tried, count(source) AS accepted FROM transfer WHERE target = ?",
            number,
        )[0],
        "transfers_out": _rows(
            connection,
            "SELECT iteration, target, kind, score FROM transfer WHERE source = ? ORDER BY iteration, target",
            number,
        ),
        **_steps(connection, number),
    }


def _steps(connection: Connection, niche: int) -> Row:
    """List a niche's self-evaluations with the figures of the steps before them, and all of these figures by name."""
    rows = _rows(
        connection,
        """SELECT iteration, score, finished, fell, timed_out, diverged, steps, names, figures
            FROM score WHERE niche = ? ORDER BY iteration""",
        niche,
    )
    told = columns(connection, [(row.pop("names"), row.pop("figures")) for row in rows])
    told_plainly = {name: plain(column) for name, column in told.items()}
    beside = [name for name in told if name not in UNLISTED]
    for place, row in enumerate(rows):
        for name in beside:
            row.setdefault(name, told_plainly[name][place])
    return {"scores": rows, "figures": told_plainly | {"iteration": [row["iteration"] for row in rows]}}


def lineage(connection: Connection, fresh: Known | None = None) -> list[Row]:
    """List parents and children: enough to draw the family tree."""
    columns = ("id", "parent", "born", "retired", "solved", "best_score", "mean_return", "description")
    return [{key: entry[key] for key in columns} for entry in niches(connection, fresh)]


def transfers(connection: Connection) -> Row:
    """Count accepted moves between each two niches beside the times that they were tried, and totals."""
    moved = {
        (source, target): (count, fine_tuned)
        for source, target, count, fine_tuned in connection.execute(
            """SELECT source, target, count(*), count(*) FILTER (WHERE kind = 'fine-tuned')
            FROM transfer WHERE source IS NOT NULL GROUP BY source, target"""
        )
    }
    # Whoever proposes is first tried directly, so that these count tournaments.
    proposals = """SELECT source, target, count(*) FROM proposal WHERE kind = 'direct'
        GROUP BY source, target ORDER BY source, target"""
    moves = []
    for source, target, attempts in connection.execute(proposals):
        accepted, fine_tuned = moved.get((source, target), (0, 0))
        moves.append(
            {"source": source, "target": target, "moves": accepted, "fine_tuned": fine_tuned, "attempts": attempts}
        )
    return {
        **transfer_totals(connection),
        "moves": moves,
        "attempts_by_target": _rows(
            connection,
            """SELECT target, count(*) AS attempts, count(source) AS accepted FROM transfer
            GROUP BY target ORDER BY target""",
        ),
    }


def metrics(connection: Connection) -> list[Row]:
    """Give one row an iteration; niches, solved, admitted_solved, created and annecs are running totals.

    `admitted_solved` counts environments that were admitted by the minimal criterion and later solved,
    also those that were put in by hand; those that the run began in, which nothing admitted, are left out.
    `created` counts those that met it for every agent there had ever been, `annecs` those of them that were
    later solved; both are null in a run that did not test for it.
    """
    config = read_config(connection)
    measured = config.reproduction.whole_archive
    bounds = (config.minimal_criterion.lower, config.minimal_criterion.upper)
    # Grouped once each: looking every iteration up by itself would read the scores 60,000 times over.
    scores = _by_iteration(connection, "SELECT iteration, avg(score), max(score) FROM score GROUP BY iteration")
    moves = _by_iteration(connection, "SELECT iteration, count(source) FROM transfer GROUP BY iteration")
    costs = _by_iteration(connection, "SELECT iteration, sum(episodes), sum(steps) FROM cost GROUP BY iteration")
    reuse = _by_iteration(connection, "SELECT iteration, sum(pairings), sum(reused) FROM reuse GROUP BY iteration")
    challenging = "count(*) FILTER (WHERE archive_score BETWEEN ? AND ?)"
    born = _by_iteration(connection, f"SELECT born, count(*), {challenging} FROM niche GROUP BY born", *bounds)
    solved = _by_iteration(
        connection,
        f"SELECT solved, count(*), count(*) FILTER (WHERE born > 0), {challenging} FROM niche GROUP BY solved",
        *bounds,
    )
    totals = dict.fromkeys(("niches", "created", "solved", "admitted_solved", "annecs"), 0)
    rows = []
    for row in connection.execute("SELECT iteration, active, diverged FROM iteration ORDER BY iteration"):
        at = row["iteration"]
        news = (*born.get(at, (0, 0)), *solved.get(at, (0, 0, 0)))
        totals = {name: total + new for (name, total), new in zip(totals.items(), news, strict=True)}
        unmeasured = {} if measured else {"created": None, "annecs": None}
        mean, best = scores.get(at, (None, None))
        episodes, steps = costs.get(at, (0, 0))
        pairings, reused = reuse.get(at, (0, 0))
        rows.append(
            {
                **dict(row),
                **totals,
                **unmeasured,
                "mean_score": mean,
                "best_score": best,
                "transfers": moves.get(at, (0,))[0],
                "pairings": pairings,
                "reused": reused,
                "episodes": episodes,
                "steps": steps,
            }
        )
    return rows


def timing(connection: Connection) -> Row:
    """Tell when and where the run ran, and how fast."""
    return {
        "sessions": _rows(
            connection,
            """SELECT session.*, count(timing.iteration) AS iterations, sum(seconds) AS seconds,
                max(committed) AS last_commit FROM session JOIN timing ON session = session.id
            GROUP BY session.id ORDER BY session.id""",
        ),
        **_row(
            connection,
            """SELECT (SELECT coalesce(sum(seconds), 0) FROM timing) AS seconds,
                (SELECT coalesce(sum(steps), 0) FROM cost) / (SELECT max(coalesce(sum(seconds), 0), 1e-9) FROM timing)
                AS steps_per_second""",
        ),
    }


def _niche(row: Any, config: Config, encodings: dict[str, Encoding | None]) -> Row:
    """Tell of a niche; encodings by name are made as they are met."""
    entry = dict(row)
    genome = read_genome(entry["genome"])
    place = Environment(domain=config.domain, encoding=entry["encoding"], genome=genome, seed=entry["terrain_seed"])
    if place.encoding not in encodings:
        encodings[place.encoding] = if_installed(lambda: config.encoding_of(place))
    encoding = encodings[place.encoding]
    difficulty = if_installed(lambda: difficulty_of(place))
    return {
        **entry,
        "injected": bool(entry["injected"]),
        "genome": genome,
        "description": encoding.describe(genome) if encoding else shorten(json.dumps(genome), DESCRIPTION),
        "difficulty": difficulty.score if difficulty else None,
        "difficulty_level": difficulty.name if difficulty else None,
    }


def _by_iteration(connection: Connection, query: str, *values: Any) -> dict[int, tuple[Any, ...]]:
    return {row[0]: tuple(row)[1:] for row in connection.execute(query, values)}


def _ancestors(connection: Connection, number: int) -> list[int]:
    chain = connection.execute(
        """WITH RECURSIVE chain (id, depth) AS (
            SELECT parent, 1 FROM niche WHERE id = ?
            UNION ALL SELECT niche.parent, depth + 1 FROM niche JOIN chain ON niche.id = chain.id
        ) SELECT id FROM chain WHERE id IS NOT NULL ORDER BY depth""",
        (number,),
    )
    return [row[0] for row in chain]


def _rows(connection: Connection, query: str, *values: Any) -> list[Row]:
    return [dict(row) for row in connection.execute(query, values)]


def _row(connection: Connection, query: str, *values: Any) -> Row:
    return dict(connection.execute(query, values).fetchone())


def _counts(connection: Connection, query: str) -> dict[str, int]:
    return dict(iter(connection.execute(query)))
