"""What the runs and controls found, as one JSON file small enough to keep, and as tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmarks.open_endedness.controls import Control
from poet import inspection
from poet.archive import read_config, reading
from poet.population import Niche
from poet.rows import niche_from

Row = dict[str, Any]

CURVES = ("niches", "created", "annecs", "active", "episodes", "steps")


def gather_runs(folder: Path, names: Sequence[str]) -> dict[str, Row]:
    """Summarise the runs, each up to the budget that all of them have had."""
    budget = min(_steps(folder / name)[-1] for name in names)
    return {name: _summarise(folder / name, budget) for name in names}


def _steps(folder: Path) -> list[int]:
    with reading(folder) as connection:
        return list(accumulate(row["steps"] for row in inspection.metrics(connection)))


def _summarise(folder: Path, budget: int) -> Row:
    with reading(folder) as connection:
        config = read_config(connection)
        rows = inspection.metrics(connection)
        total = accumulate(row["steps"] for row in rows)
        rows = [row for row, steps in zip(rows, total, strict=True) if steps <= budget]
        last = rows[-1]["iteration"]
        scored = {row["id"]: row for row in inspection.niches(connection)}
        niches = [niche_from(row) for row in connection.execute("SELECT * FROM niche ORDER BY id")]
        meetings, accepted, spent = _transfers(connection, last)
        return {
            "settings": config.to_table(),
            "iterations": last + 1,
            "curves": {name: [row[name] for row in rows] for name in CURVES},
            "niches": [_niche(niche, scored[niche.id], last) for niche in niches if niche.born <= last],
            "transfers": {
                "tournaments": meetings["tournaments"],
                "accepted": accepted,
                "episodes": spent,
                "original_rule": meetings["visits"] * 2 * (config.score_episodes + config.es.pairs),
            },
            "novelty": _novelty(connection, last),
        }


def _transfers(connection: Any, last: int) -> tuple[Row, int, int]:
    count = "SELECT count(*) AS tournaments, count(source) AS accepted FROM transfer WHERE iteration <= ?"
    row = connection.execute(count, (last,)).fetchone()
    visits = "SELECT count(*) FROM proposal WHERE kind = 'direct' AND iteration <= ?"
    (visits,) = connection.execute(visits, (last,)).fetchone()
    cost = "SELECT coalesce(sum(episodes), 0) FROM cost WHERE purpose = 'transfer' AND iteration <= ?"
    (spent,) = connection.execute(cost, (last,)).fetchone()
    return {"tournaments": row["tournaments"], "visits": visits}, row["accepted"], spent


def _novelty(connection: Any, last: int) -> Row:
    """Count the scores that PATA-EC asked for, and those of them that were known."""
    query = """SELECT coalesce(sum(pairings), 0) AS pairings, coalesce(sum(reused), 0) AS reused
        FROM reuse WHERE purpose = 'novelty' AND iteration <= ?"""
    return dict(connection.execute(query, (last,)).fetchone())


def _niche(niche: Niche, scored: Row, last: int) -> Row:
    environment = niche.environment
    return {
        "id": niche.id,
        "parent": niche.parent,
        "born": niche.born,
        "solved": scored["solved"] if scored["solved"] is not None and scored["solved"] <= last else None,
        "archive_score": niche.archive_score,
        "best_score": scored["best_score"],
        "description": scored["description"],
        "environment": {
            "domain": environment.domain,
            "encoding": environment.encoding,
            "genome": environment.genome,
            "seed": environment.seed,
        },
    }


def write(path: Path, runs: dict[str, Row], controls: Sequence[Control]) -> Row:
    """Keep everything that tables and figures are made of."""
    document = {"runs": runs, "controls": [asdict(control) for control in controls]}
    path.write_text(f"{json.dumps(document, sort_keys=True)}\n")
    return document


def tables(document: Row) -> str:
    """Lay the results out in Markdown."""
    lines = [
        "# Original and Enhanced POET at equal budgets",
        "",
        "Written by `python -m benchmarks.open_endedness`; [docs/enhanced-poet.md](../../../docs/enhanced-poet.md)",
        "says what stands here.",
        "",
        "| run | iterations | steps | admitted | created | ANNECS | transfers accepted | transfer episodes "
        "| all episodes, of what the original rule would take | PATA-EC scores known |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, run in document["runs"].items():
        curves, moves, known = run["curves"], run["transfers"], run["novelty"]
        share = moves["episodes"] / max(moves["original_rule"], 1)
        episodes = sum(curves["episodes"])
        overall = episodes / (episodes + moves["original_rule"] - moves["episodes"])
        lines.append(
            f"| {name} | {run['iterations']} | {sum(curves['steps']):,} | {curves['niches'][-1] - 1} "
            f"| {curves['created'][-1]} | {curves['annecs'][-1]} | {moves['accepted']} of {moves['tournaments']} "
            f"| {moves['episodes']:,}, {share:.0%} of the original rule's | {overall:.1%} "
            f"| {known['reused']} of {known['pairings']} |"
        )
    lines += ["", "![ANNECS and admitted environments](curves.png)", "", "![Environments solved](gallery.png)", ""]
    if document["controls"]:
        lines += _control_table(document["controls"])
    return "\n".join([*lines, ""])


def _control_table(controls: Sequence[Row]) -> list[str]:
    lines = [
        "ES from scratch, straight in three of the hardest environments solved, five seeds each:",
        "",
        "| environment | ES steps | of the solver's line | solved by | best score of each seed | the solver's |",
        "|---|---|---|---|---|---|",
    ]
    for run, niche in dict.fromkeys((control["run"], control["niche"]) for control in controls):
        here = [control for control in controls if (control["run"], control["niche"]) == (run, niche)]
        best = ", ".join(f"{max(control['scores'], default=float('nan')):.0f}" for control in here)
        solved = sum(control["solved"] is not None for control in here)
        lines.append(
            f"| niche {niche} of {run} | {min(control['steps'] for control in here)} | {here[0]['wanted']} "
            f"| {solved} of {len(here)} | {best} | {here[0]['solver_score']:.0f} |"
        )
    return [*lines, "", "![Controls](controls.png)", ""]
