"""What the runs and controls found, as one JSON file small enough to keep, and as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.open_endedness.controls import Control
from environments.files import write_aside
from poet.archive import inspection
from poet.archive.reading import read_config, reading
from poet.archive.rows import niche_from
from poet.population import Niche

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
        stories = {row["id"]: row for row in inspection.niches(connection)}
        niches = [niche_from(row) for row in connection.execute("SELECT * FROM niche ORDER BY id")]
        meetings, accepted, spent = _transfers(connection, last)
        return {
            "settings": config.to_table(),
            "iterations": last + 1,
            "curves": {name: [row[name] for row in rows] for name in CURVES},
            "steps_of": _steps_of(connection, last),
            "niches": [
                _niche(niche, stories[niche.id], _scores(connection, niche.id, last), last)
                for niche in niches
                if niche.born <= last
            ],
            "transfers": {
                "tournaments": meetings["tournaments"],
                "accepted": accepted,
                "episodes": spent,
                "original_rule": meetings["visits"] * 2 * (config.episodes_per_score + config.es.pairs),
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


def _steps_of(connection: Any, last: int) -> dict[str, int]:
    """Say what the budget went to."""
    query = "SELECT purpose, sum(steps) FROM cost WHERE iteration <= ? GROUP BY purpose ORDER BY purpose"
    return dict(iter(connection.execute(query, (last,))))


def _scores(connection: Any, niche: int, last: int) -> list[float]:
    """Read what a niche's agent scored in it, iteration by iteration from its birth on."""
    query = "SELECT score FROM score WHERE niche = ? AND iteration <= ? ORDER BY iteration"
    return [round(score, 1) for (score,) in connection.execute(query, (niche, last))]


def _niche(niche: Niche, story: Row, scores: list[float], last: int) -> Row:
    environment = niche.environment
    return {
        "id": niche.id,
        "parent": niche.parent,
        "born": niche.born,
        "solved": story["solved"] if story["solved"] is not None and story["solved"] <= last else None,
        "archive_score": niche.archive_score,
        "best_score": max(scores),  # not the archive's: that may be of later than the budget
        "scores": scores,
        "description": story["description"],
        "environment": {
            "domain": environment.domain,
            "encoding": environment.encoding,
            "genome": environment.genome,
            "seed": environment.seed,
        },
    }


def write(path: Path, runs: dict[str, Row], controls: Sequence[Control]) -> Row:
    """Keep everything that tables and figures are made of, and give it as it will be read back: in the same order."""
    text = json.dumps({"runs": runs, "controls": [asdict(control) for control in controls]}, sort_keys=True)
    write_aside(path, f"{text}\n".encode())
    document: Row = json.loads(text)
    return document


def tables(document: Row) -> str:
    """Lay the results out in Markdown."""
    runs = document["runs"]
    lines = [
        "# Original and Enhanced POET at equal budgets",
        "",
        "Written by `python -m benchmarks.open_endedness`; [discussion.md](discussion.md) says what it means.",
        "Every run is cut where the shortest ends, by simulated steps.",
        "",
        *_outcome_table(runs),
        "",
        "*Created*: met the minimal criterion against every agent there had ever been. *ANNECS*: of those, solved by",
        "their own agent. *Delay*: iterations from admission to solution, 0 where the first score already solved it.",
        "",
        "![Admitted, created and ANNECS over iterations and steps](curves.png)",
        "",
        "![How hard the admitted environments are](difficulty.png)",
        "",
        "![Environments admitted](gallery.png)",
        "",
        "What it cost:",
        "",
        *_cost_table(runs),
        "",
        "*Of the original rule*: episodes of transfers, and of the whole run, over those that the original rule would",
        "have taken for the same meetings.",
        "",
    ]
    if document["controls"]:
        lines += _control_table(document["controls"], runs)
    return "\n".join([*lines, ""])


def _table(*rows: Sequence[str]) -> list[str]:
    """Lay out a Markdown table, its headings first."""
    head, *body = rows
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]


def _outcome_table(runs: Mapping[str, Row]) -> list[str]:
    rows = []
    for name, run in runs.items():
        curves, admitted = run["curves"], [niche for niche in run["niches"] if niche["parent"] is not None]
        delays = [niche["solved"] - niche["born"] for niche in admitted if niche["solved"] is not None]
        rows.append(
            [
                name,
                f"{run['iterations']}",
                f"{sum(curves['steps']):,}",
                f"{len(admitted)}",
                f"{curves['created'][-1]}",
                f"{curves['annecs'][-1]}",
                f"{len(delays)}",
                f"{median(delays):g}, {max(delays)}" if delays else "-",
            ]
        )
    headings = ["run", "iterations", "steps", "admitted", "created", "ANNECS", "solved", "delay: median, longest"]
    return _table(headings, *rows)


def _cost_table(runs: Mapping[str, Row]) -> list[str]:
    rows = []
    for name, run in runs.items():
        moves, known = run["transfers"], run["novelty"]
        episodes = sum(run["curves"]["episodes"])
        overall = episodes / (episodes + moves["original_rule"] - moves["episodes"])
        spent = run.get("steps_of", {})  # results of before it was kept have none
        shares = (f"{purpose} {steps / sum(spent.values()):.0%}" for purpose, steps in spent.items())
        rows.append(
            [
                name,
                ", ".join(shares) or "-",
                f"{moves['accepted']} of {moves['tournaments']}",
                f"{moves['episodes']:,}",
                f"{moves['episodes'] / max(moves['original_rule'], 1):.0%}, {overall:.1%}",
                f"{known['reused']:,} of {known['pairings']:,}" if known["pairings"] else "-",
            ]
        )
    headings = [
        "run",
        "steps went to",
        "transfers accepted",
        "their episodes",
        "of the original rule",
        "PATA-EC: known",
    ]
    return _table(headings, *rows)


def _control_table(controls: Sequence[Row], runs: Mapping[str, Row]) -> list[str]:
    rows = []
    # Results of before there were warm controls do not say.
    for run, number, warm in dict.fromkeys((c["run"], c["niche"], c.get("warm", False)) for c in controls):
        here = [c for c in controls if (c["run"], c["niche"], c.get("warm", False)) == (run, number, warm)]
        niche = runs[run]["niches"][number]
        steps = min(control["steps"] for control in here)
        rows.append(
            [
                f"{run}, niche {number}: {niche['description']}{' (from the first agent)' * warm}",
                f"{steps} of {here[0]['wanted']}",
                f"{sum(control['solved'] is not None for control in here)} of {len(here)}",
                ", ".join(f"{max(control['scores'], default=float('nan')):.0f}" for control in here),
                ", ".join(f"{control['scores'][-1]:.0f}" if control["scores"] else "-" for control in here),
                f"{solving_score(niche):.0f}",
            ]
        )
    headings = ["environment", "ES steps of the solver's", "solved by", "best of each seed", "last of each", "solver's"]
    lines = [
        "ES straight in three of the hardest environments solved, five seeds each, from scratch if not said otherwise;",
        "scores are means of three episodes, a control's after every fifth step, the solver's when it first solved the",
        "environment. Its line is counted as one ES step an iteration; fine-tuned moves make it a few more:",
        "",
        *_table(headings, *rows),
    ]
    if any(control["steps"] < control["wanted"] for control in controls):
        lines += ["", "Time ran out before the ES steps of the solver's line: such a row decides nothing."]
    return [*lines, "", "![Controls](controls.png)", ""]


def solving_score(niche: Row) -> float:
    """Give what a niche's agent scored when it first solved it; its best, in results of before scores were kept."""
    scores: list[float] = niche.get("scores", [])
    return scores[niche["solved"] - niche["born"]] if scores else float(niche["best_score"])
