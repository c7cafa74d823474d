"""A run's agents on the walker's suites, beside what learners of the literature reached.

    python -m benchmarks.agents_on_suites [RUN ...] [--agent NAME=FILE=STEPS ...]

Without runs it writes the table anew from what is kept. Every niche's best agent meets every course of the suites
`walker` and `xchal`; solved is a return above 230 within 2,000 steps, as in the suites' papers. Which agent is best on
a terrain is decided by other episodes than those reported. A file's agent, such as a generalist, is a row of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.long_runs.__main__ import copied
from cluster.executor import InProcess
from environments.files import write_aside
from poet.archive.reading import reading
from poet.evaluate.evaluation import Evaluation

RESULTS = Path(__file__).parent / "results" / "agents_on_suites"
GENERALISTS = "generalists.json"  # beside it, by `benchmarks.generalist`: how they do where they were trained
SUITES = ("walker", "xchal")
TERRAINS = {  # of a suite, as the tables of the literature head their columns
    "BipedalWalker-v3": "v3",
    "BipedalWalkerHardcore-v3": "Hardcore",
    "Stairs": "Stairs",
    "PitGap": "PitGap",
    "StumpHeight": "Stump",
    "Roughness": "Roughness",
    "XChal": "XChal",
}
# Solved rates after 20,000 updates of PPO, ten seeds (Parker-Holder et al. 2022, arXiv:2203.01302).
PUBLISHED = {
    "ACCEL": (0.998, 0.629, 0.206, 0.310, 0.491, 0.764),
    "robust PLR": (0.992, 0.158, 0.045, 0.040, 0.006, 0.244),
    "domain randomisation": (0.836, 0.014, 0.007, 0.002, 0.000, 0.033),
}
Row = dict[str, Any]


def evaluated(subject: Path, agents: str | None, episodes: int) -> list[Row]:
    """Give a row for every agent on every terrain of the suites."""
    rows: list[Row] = []
    for suite in SUITES:
        evaluation = Evaluation.of(subject, suite=suite, agents=agents, episodes=episodes)
        rows += evaluation.play(InProcess()).rows
    return rows


def by_terrain(rows: Sequence[Row]) -> dict[str, Row]:
    """Give for every terrain the best agent, the highest of all, and their mean: solved rates and returns."""
    found = {}
    for terrain in TERRAINS:
        here = [row for row in rows if row["terrain"] == terrain]
        (best,) = [row for row in here if row["chosen"]]
        found[terrain] = {
            "agents": len(here),
            "episodes": best["episodes"],
            "best": {name: best[name] for name in ("agent", "solved", "solved_interval", "mean", "interval")},
            "mean_solved": sum(row["solved"] for row in here) / len(here),
            "mean_return": sum(row["mean"] for row in here) / len(here),
        }
    return found


def generalist(rows: Sequence[Row]) -> Row:
    """Find the one agent that solves most over all terrains, each terrain counting alike, by the choosing episodes."""
    names = {row["agent"] for row in rows}
    single = len(names) == 1

    def chosen_by(name: str) -> float:
        return sum(row["mean"] if single else row["choosing_mean"] for row in rows if row["agent"] == name)

    best = max(sorted(names), key=chosen_by)
    return {"agent": best, "solved": {row["terrain"]: row["solved"] for row in rows if row["agent"] == best}}


def steps_of(folder: Path) -> int:
    """Count the steps that a run has simulated."""
    with reading(folder) as connection:
        (steps,) = connection.execute("SELECT coalesce(sum(steps), 0) FROM cost").fetchone()
    return int(steps)


def page(kept: dict[str, Row], generalists: dict[str, Row]) -> str:
    """Lay the results out in Markdown."""
    head = ["agents", "steps", *TERRAINS.values()]
    lines = [
        "# Agents of runs on the walker's suites",
        "",
        "Written by `python -m benchmarks.agents_on_suites RUN [RUN ...]`. Solved rates: a return above 230 within",
        "2,000 steps, on ten fixed courses of each terrain of the suite `walker` and the hundred of `xchal`. *Best per",
        "terrain*: of the niches' best agents the one with the highest mean return in other episodes, another on each",
        "terrain. *Best of all*: one agent, by its mean return over all terrains in those. *Mean*: over all agents.",
        "*Generalist*: one agent, trained by `python -m benchmarks.generalist` on all grounds of original-12's",
        "curriculum at once, or on as many random ones an iteration; its steps come after those of who began.",
        "",
    ]
    rows = []
    for name, run in kept.items():
        of = run["terrains"]
        count = of[next(iter(TERRAINS))]["agents"]
        steps = "?" if run["steps"] is None else f"{run['steps'] / 1e9:.2f} billion"
        whole = run["generalist"]
        if count > 1:
            rows.append([f"{name}: best per terrain", steps, *(f"{of[t]['best']['solved']:.3f}" for t in TERRAINS)])
            rows.append(
                [f"{name}: best of all, {whole['agent']}", steps, *(f"{whole['solved'][t]:.3f}" for t in TERRAINS)]
            )
            rows.append([f"{name}: mean of {count}", steps, *(f"{of[t]['mean_solved']:.3f}" for t in TERRAINS)])
        else:
            rows.append([name, steps, *(f"{of[t]['best']['solved']:.3f}" for t in TERRAINS)])
    rows += [[f"{name}, published", "-", *(f"{rate:.3f}" for rate in rates), "-"] for name, rates in PUBLISHED.items()]
    lines += _table(head, rows)
    lines += ["", "Mean returns of the same, with 95 % bootstrap intervals over courses:", ""]
    returns = []
    for name, run in kept.items():
        of = run["terrains"]
        best = [of[terrain]["best"] for terrain in TERRAINS]
        cells = [
            f"{each['mean']:.0f}"
            + (f" ({each['interval'][0]:.0f} to {each['interval'][1]:.0f})" if each["interval"] else "")
            for each in best
        ]
        if of[next(iter(TERRAINS))]["agents"] == 1:
            returns.append([name, "", *cells])
            continue
        returns.append([f"{name}: best per terrain", "", *cells])
        returns.append([f"{name}: mean", "", *(f"{of[terrain]['mean_return']:.0f}" for terrain in TERRAINS)])
    lines += _table(head, returns)
    if generalists:
        lines += ["", "## Generalists where they were trained", ""]
        lines += [
            "In 20 fresh episodes on each ground of the curriculum; a mean return of 230 solves a ground. *Apart*:",
            "from each ground's own agent, ground by ground, with a 95 % interval over grounds.",
            "",
        ]
        lines += _table(
            ["agents", "mean return", "apart", "of episodes above 230", "grounds solved"],
            [
                [
                    name,
                    f"{row['mean']:.1f}",
                    f"{row['apart']:+.1f} ± {row['apart_within']:.1f}" if row["apart_within"] else "",
                    f"{row['solved']:.3f}",
                    f"{row['grounds_solved']} of {row['grounds']}",
                ]
                for name, row in generalists.items()
            ],
        )
    return "\n".join([*lines, ""])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def main() -> None:
    """Evaluate what is given, and write the table of all that is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agents_on_suites", description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="*", help="folders of runs of the walker; they may go on meanwhile")
    parser.add_argument("--agent", action="append", default=[], metavar="NAME=FILE=STEPS", help="an agent's file")
    parser.add_argument("--episodes", type=int, default=2, help="of each agent on each course")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / "results.json"
    kept: dict[str, Row] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for folder in options.runs:
        with copied(folder) as copy:
            kept[folder.name] = _kept(evaluated(copy, "all", options.episodes), steps_of(copy))
        _write(kept, options.results)
    for given in options.agent:
        name, file, steps = given.split("=")
        kept[name] = _kept(evaluated(Path(file), None, options.episodes), int(steps))
    if not kept:
        parser.error("no run is given and none is kept")
    _write(kept, options.results)


def _write(kept: dict[str, Row], results: Path) -> None:
    write_aside(results / "results.json", (json.dumps(kept, sort_keys=True) + "\n").encode())
    path = results / GENERALISTS
    generalists: dict[str, Row] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_aside(results / "README.md", page(kept, generalists).encode())


def _kept(rows: Sequence[Row], steps: int | None) -> Row:
    return {"steps": steps, "terrains": by_terrain(rows), "generalist": generalist(rows)}


if __name__ == "__main__":
    main()
