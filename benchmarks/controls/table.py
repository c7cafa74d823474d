"""What controls came to, as numbers with intervals and rank tests, and in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest, mannwhitneyu, wilcoxon

from environments.difficulty import LEVELS
from environments.intervals import interval

Row = dict[str, Any]


def summarise_trials(results: Sequence[Row], solver_fresh: float, wanted: int) -> Row:
    """Compare searches of one form on one ground with the agent that the run solved it by.

    Args:
        results: one a seed that is done.
        solver_fresh: mean return of the solver on fresh episodes.
        wanted: seeds that were asked for.

    Returns:
        `solved` with Wilson's 95 % interval, `fresh` and `last` means over seeds with bootstrapped ones, and `p`,
        one-sided, of Wilcoxon's signed-rank test that the searches' fresh means lie below the solver's; None without.
    """
    count, solved = len(results), sum(row["solved"] is not None for row in results)
    row: Row = {"seeds": count, "wanted": wanted, "solved": solved, "verdict": verdict(solved, count, wanted)}
    if not count:
        return row
    bounds = binomtest(solved, count).proportion_ci(method="wilson")
    fresh, last = (np.array([each[name] for each in results]) for name in ("fresh", "last"))
    return row | {
        "solved_interval": [float(bounds.low), float(bounds.high)],
        "best": [each["best"] for each in results],
        "last": float(last.mean()),
        "fresh": float(fresh.mean()),
        "fresh_interval": interval(fresh),
        "p": signed_rank(fresh - solver_fresh),
        "simulated": sum(each["simulated"] for each in results),
    }


def verdict(solved: int, count: int, wanted: int) -> str:
    """Say whether the detour was needed, as far as the searches tell."""
    if solved == count > 0:
        return "no detour needed" if count >= wanted else f"no detour needed by {count} so far"
    if solved:
        return f"{solved} of {count} did without"
    if count < wanted:
        return f"open: {count} of {wanted} seeds done"
    return "detour needed: none solved it"


def signed_rank(differences: Sequence[float] | np.ndarray[Any, Any]) -> float | None:
    """Give the one-sided p of Wilcoxon's exact signed-rank test that differences lie below 0; None without any."""
    values = np.asarray(differences, dtype=float)
    return float(wilcoxon(values, alternative="less").pvalue) if np.any(values) else None


def rank_sum(ours: Sequence[float], others: Sequence[float]) -> float | None:
    """Give the one-sided p of Mann and Whitney's test that ours are larger; None where one side is empty."""
    return float(mannwhitneyu(ours, others, alternative="greater").pvalue) if len(ours) and len(others) else None


def page(document: Mapping[str, Any]) -> str:
    """Lay the results out in Markdown."""
    plan, seeds = document["plan"], document["seeds"]
    solved = f"{len(plan['solved'])} grounds solved"
    lines = [
        f"# Controls of {plan['run']}",
        "",
        f"Written by `python -m benchmarks.controls`, of the run as it stood at {plan['steps']:,} steps,",
        f"with {solved}. The same command goes on where it was stopped. *Line*: optimiser steps of the",
        "solver's whole line, from the run's first agent on. *Fresh*: mean return in 20 new episodes, over seeds, with",
        "its bootstrapped 95 % interval; a search's is of its last agent, a solver's of its best by score. p is",
        "Wilcoxon's, one-sided, over seeds: are they below the solver's fresh mean? Five seeds give .031 at best.",
        f"Seeds asked for of each: {seeds}; a row says how many are done.",
        "",
    ]
    if plan["brought"]:
        lines += [
            f"The run began with an agent that had learned before, in {document['first_steps']} steps of the preset",
            "`quick` on flat ground. Searches from scratch take as many such steps besides, in the ground itself;",
            "those from the flat walker begin with it.",
            "",
        ]
    head = ["niche", "ground", "level", "line", "solver: best, fresh", "control", "steps", "seeds"]
    head += ["solved (Wilson's 95 %)", "best of each", "last", "fresh (95 %)", "p", "detour?"]
    begun = [row for row in document["rows"] if row["seeds"]]
    lines += _table(head, [_cells(row) for row in begun])
    if missing := len(document["rows"]) - len(begun):
        lines += ["", f"{missing} more rows are planned, of which no search is done."]
    if document["over_grounds"]:
        lines += ["", "Over grounds, means of the seeds there are against the solvers' (Wilcoxon, one-sided):", ""]
        lines += _table(
            ["control", "steps", "grounds", "mean of fresh", "solvers'", "p"],
            [
                [
                    row["words"],
                    f"{row['multiple']} x line",
                    str(row["grounds"]),
                    f"{row['fresh']:.0f}",
                    f"{row['solvers']:.0f}",
                    _p(row["p"]),
                ]
                for row in document["over_grounds"]
            ],
        )
    lines += ["", "## Without transfer", ""]
    lines += _without_transfer(document["without_transfer"], plan)
    return "\n".join([*lines, ""])


def _without_transfer(rows: Sequence[Row], plan: Mapping[str, Any]) -> list[str]:
    if not rows:
        return ["Not begun."]
    counted = {level: sum(row["level"] == number for row in plan["solved"]) for number, level in enumerate(LEVELS)}
    run = {
        "seed": plan["settings"]["seed"],
        "steps": plan["steps"],
        "admitted": "-",
        "solved": len(plan["solved"]),
        "levels": counted,
        "scores": [row["score"] for row in plan["solved"]],
        "p": None,
    }
    body = [
        [name, f"{row['steps']:,} of {plan['steps']:,}", str(row["admitted"]), str(row["solved"])]
        + [str(row["levels"][level]) for level in LEVELS]
        + [f"{max(row['scores'], default=0):.2f}", _p(row["p"])]
        for name, row in [(f"{plan['run']}", run), *((f"without, seed {row['seed']}", row) for row in rows)]
    ]
    head = ["run", "steps", "admitted", "solved", *LEVELS, "hardest solved", "p"]
    return [
        *_table(head, body),
        "",
        "*Hardest solved* is by the mean share of the three genes' bounds, or the hexapod's measure; p is Mann and",
        "Whitney's, one-sided: are the grounds that the run solved harder? A row with fewer steps decides nothing.",
    ]


def _cells(row: Row) -> list[str]:
    low, high = row["solver_interval"] or (float("nan"), float("nan"))
    cells = [str(row["niche"]), row["description"], LEVELS[row["level"]], str(row["line"])]
    cells += [f"{row['solver_best']:.0f}, {row['solver_fresh']:.0f} ({low:.0f} to {high:.0f})"]
    cells += [row["words"], f"{row['multiple']} x line", f"{row['seeds']} of {row['wanted']}"]
    if not row["seeds"]:
        return [*cells, *["-"] * 5, row["verdict"]]
    low, high = row["solved_interval"]
    bounds = row["fresh_interval"]
    fresh = f"{row['fresh']:.0f}" + (f" ({bounds[0]:.0f} to {bounds[1]:.0f})" if bounds else "")
    best = ", ".join(f"{each:.0f}" for each in row["best"])
    solved = f"{row['solved']} ({low:.0%} to {high:.0%})"
    return [*cells, solved, best, f"{row['last']:.0f}", fresh, _p(row["p"]), row["verdict"]]


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
