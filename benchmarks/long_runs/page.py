"""The results of long runs as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.long_runs.choosing import hardest_solved, was_admitted
from benchmarks.long_runs.measures import CLASSES, LEG, axes_of
from benchmarks.long_runs.summary import before
from environments.difficulty import LEVELS
from environments.domain import find_domain

Row = dict[str, Any]

FILMS = 3
# Zhou and Vanschoren 2022 (arXiv:2206.06796), by its published logs; steps are their rate by their hours.
REFERENCE = {"pairs": 5, "iterations": 379, "steps": 850e6, "core_hours": 234.0, "rate": 1010.0}
WALKER_HEAD = """
Levels are the paper's: how many of stump height 2.4, gap width 6 and roughness 4.5 a ground reaches. On a CPPN's ground
the obstacles alone count, and its relief is told beside them.
"""
HEXAPOD_HEAD = f"""
Levels are 3D POET's: the mean variance of heights within a metre, at least 0.001, 0.01 and 0.1 m². *Climb* is the
greatest difference of height within half a metre, gaps filled in, over the length of femur and tibia, {LEG:.2f} m; its
classes, from {CLASSES[0]:g}, {CLASSES[1]:g} and {CLASSES[2]:g} leg lengths on, are ours.
"""
HEAD = """# Long runs, as far as they have come

Written by `python -m benchmarks.long_runs RUN [RUN ...]`, also while a run goes on; without runs it draws all again
from the summaries that are kept. Core-hours are the time that iterations took by the workers there were; these runs
shared their cores with other work. *Solved*: in some scoring, every episode of the niche's own agent crossed the course
with the score that counts as solved. That is a best case: *fresh* is the mean return of the niche's best agent in 20
new episodes.
"""


def page(runs: Mapping[str, Row]) -> str:
    """Lay out the runs of one domain in Markdown."""
    domain = next(iter(runs.values()))["domain"]
    walker = not domain.startswith("hexapod")
    lines = [HEAD + (WALKER_HEAD if walker else HEXAPOD_HEAD)]
    lines += _table(
        [
            "run",
            "iterations",
            "steps",
            "core-hours",
            "admitted",
            "solved",
            "of these steadily",
            "ANNECS",
            "transfers accepted",
            "of steps",
            "of the original rule's episodes",
        ],
        [_outcome(name, run) for name, run in runs.items()],
    )
    lines += [
        "",
        "*Steadily*: the best agent's mean return in fresh episodes is one that solves too.",
        "*ANNECS*: grounds that met the minimal criterion for every agent there had been, and were later solved, out",
        "of all such grounds. With a star: the run did not measure it, and copies of agents that it kept have played",
        "them afterwards.",
        "",
    ]
    levels = [
        [name, state, *_counts(run["levels"][state]), _hardest(run, state)]
        for name, run in runs.items()
        for state in ("admitted", "solved")
    ]
    lines += _table(["run", "", *LEVELS, "hardest of each measure"], levels)
    if not walker:
        classes = [
            [name, state, *_counts(run["climb_levels"][state])]
            for name, run in runs.items()
            for state in ("admitted", "solved")
            if "climb_levels" in run
        ]
        lines += ["", "By climb over leg length:", "", *_table(["run", "", *LEVELS], classes)]
        lines += ["", *_beside_3d_poet(runs)]
    lines += ["", *(line for name, run in runs.items() for line in _drift(name, run))]
    lines += ["", "![How hard admitted and solved grounds are](difficulty.png)"]
    for name in runs:
        lines += ["", *_section(name, runs)]
    return "\n".join([*lines, ""])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _outcome(name: str, run: Row) -> list[str]:
    admitted = [niche for niche in run["niches"] if was_admitted(niche)]
    solved = [niche for niche in admitted if niche["solved"] is not None]
    steady = sum((niche["mean_return"] or 0.0) >= find_domain(run["domain"]).solved_return for niche in solved)
    moves, spent = run["transfers"], run["steps_of"]
    share, episodes = moves["accepted"] / max(moves["attempts"], 1), run["transfer_episodes"]
    original = episodes["original_rule"]
    return [
        f"[{name}](#{name})",
        str(run["iterations"]),
        f"{run['steps']:,}",
        f"{run['core_hours']:.1f}",
        str(len(admitted)),
        str(len(solved)),
        str(steady),
        _annecs(run),
        f"{moves['accepted']} of {moves['attempts']}, {share:.0%}",
        f"{spent.get('transfer', 0) / max(sum(spent.values()), 1):.0%}",
        f"{episodes['spent'] / original:.0%}" if original else "-",
    ]


def _annecs(run: Row) -> str:
    own, afterwards = run["annecs"], run.get("annecs_afterwards")
    if own is not None:
        return f"{own['created_and_solved']} of {own['created']}"
    return "-" if afterwards is None else f"{afterwards['created_and_solved']} of {afterwards['created']}*"


def _beside_3d_poet(runs: Mapping[str, Row]) -> list[str]:
    """Lay runs beside what is known of 3D POET's own."""
    head = ["run", "active pairs at most", "iterations", "steps", "core-hours", "steps a second and core", "admitted"]
    rows = [
        [
            "3D POET, its logs",
            str(REFERENCE["pairs"]),
            str(REFERENCE["iterations"]),
            f"about {REFERENCE['steps'] / 1e6:,.0f} million",
            f"{REFERENCE['core_hours']:.0f}",
            f"about {REFERENCE['rate']:,.0f}",
            *["not told"] * 5,
        ]
    ]
    for name, run in runs.items():
        counts = {state: _counts(run["levels"][state]) for state in ("admitted", "solved")}
        rows.append(
            [
                name,
                str(_most_active(run)),
                str(run["iterations"]),
                f"{run['steps'] / 1e6:,.0f} million",
                f"{run['core_hours']:.1f}",
                f"{run['steps'] / max(run['core_hours'], 1e-9) / 3600:,.0f}",
                str(sum(map(int, counts["admitted"]))),
                *(f"{admitted}, {solved}" for admitted, solved in zip(*counts.values(), strict=True)),
            ]
        )
    return [
        "Beside 3D POET (another six-legged robot, in MuJoCo); of each level how many were admitted and solved:",
        "",
        *_table([*head, *LEVELS], rows),
    ]


def _most_active(run: Row) -> int:
    """Count the pairs that were active at once, at most."""
    born = [niche["admitted"]["iteration"] if niche["admitted"] else 0 for niche in run["niches"]]
    ends = [niche["retired"] for niche in run["niches"] if niche["retired"] is not None]
    return max((sum(b <= at for b in born) - sum(e <= at for e in ends) for at in born), default=0)


def _counts(levels: Mapping[str, int]) -> list[str]:
    return [str(levels[level]) for level in LEVELS]


def _hardest(run: Row, state: str) -> str:
    rows = [each for each in run["niches"] if was_admitted(each) and (state == "admitted" or each["solved"])]
    words = [f"{name} {max((row[name] for row in rows), default=0):g}" for name in axes_of(run["domain"])]
    if any("relief" in row for row in rows):
        words.append(f"relief {max(row['relief'] for row in rows):.1f} m")
    return ", ".join(words)


def _drift(name: str, run: Row) -> list[str]:
    drift, needed = run["drift"], run["drift_admissions"]
    most = needed["most"]
    passed = ", ".join(f"{axis} {drift[axis][-1]:g}" for axis in axes_of(run["domain"]))
    words = [
        f"{f'more than {most}' if count is None else f'{count:g}'} for {level}"
        for level, count in zip(LEVELS[1:], needed["median"], strict=True)
    ]
    return [
        f"- {name}: after as many admissions ({len(drift['level'])}), drift without any agent has a median hardest "
        f"level of {drift['level'][-1]:g} and hardest {passed}. Its median of admissions needed: {', '.join(words)}."
    ]


def _whole_cost(run: Row, earlier: Row) -> str:
    if not earlier["known"]:
        return "What that was is not kept here."
    steps, hours = (earlier[cost] + run[cost] for cost in ("steps", "core_hours"))
    return f"With that there are {steps / 1e9:.2f} billion steps and {hours:.1f} core-hours."


def _section(name: str, runs: Mapping[str, Row]) -> list[str]:
    run = runs[name]
    chosen = hardest_solved(run["niches"], FILMS)
    told = {niche["id"]: niche for niche in run["niches"]}
    lines = [f"## {name}", ""]
    if source := run.get("source"):
        lines += [
            f"A branch: it began with {source['pairs']} pairs of {source['name']}. They are not counted above,",
            f"nor what they had cost. {_whole_cost(run, before(name, runs))}",
            "",
        ]
    if chosen:
        lines += ["The hardest solved, of different lineages:", ""]
        lines += _table(
            [
                "niche",
                "ground",
                "level",
                "admitted at, steps",
                "solved at, steps",
                "best score",
                "fresh (95 %)",
                "film",
            ],
            [_solved(name, told[number], run) for number in chosen],
        )
        lines.append("")
    lines += [
        f"![How {name} went]({name}/course.png)",
        "",
        f"![Who descends from whom]({name}/phylogeny.png)",
        "",
        f"![All grounds by difficulty]({name}/gallery.png)",
    ]
    if "curriculum" in run:
        about = run["curriculum"]
        lines += [
            "",
            f"[`{name}/curriculum`]({name}/curriculum/README.md): the run's grounds with their agents, as "
            f"`poet export` writes them: {about['tasks']} in all.",
        ]
    return lines


def _solved(name: str, niche: Row, run: Row) -> list[str]:
    film = run.get("films", {}).get(str(niche["id"]))
    fresh, bounds = niche["mean_return"], niche["return_interval"]
    return [
        str(niche["id"]),
        niche["description"],
        LEVELS[niche["level"]],
        f"{niche['admitted']['steps']:,}",
        f"{niche['solved']['steps']:,}",
        f"{niche['best_score']:.0f}",
        "-" if fresh is None else f"{fresh:.0f}" + (f" ({bounds[0]:.0f} to {bounds[1]:.0f})" if bounds else ""),
        "-" if film is None else f"[return {film['return']:.0f}]({name}/film-{niche['id']}.gif)",
    ]
