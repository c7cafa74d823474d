"""Runs compared: what each came to, what it cost, how their settings differ. A pure function of what was read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poet.compare.facts import AXES, MEASURES, RunFacts
from poet.compare.groups import Group, group
from poet.compare.matrix import Matrix
from poet.errors import InputError

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two or more runs beside each other."""

    runs: Sequence[RunFacts]
    groups: Sequence[Group]  # none unless runs were given as groups
    settings: Sequence[Row]  # a row a setting that differs: its name, and `values`, one a run
    equal_settings: int  # how many do not differ
    phases: Sequence[str]  # that some run spent steps in, the dearest first
    matrix: Matrix | None
    notes: Sequence[str]  # what a reader must know, in sentences

    @property
    def names(self) -> list[str]:
        """What the runs are called."""
        return [run.name for run in self.runs]

    def to_plain(self) -> Row:
        """Give it as JSON's values."""
        return {
            "runs": [
                {**run.figures(), "costs": {phase: run.costs.get(phase) for phase in self.phases}, "curves": run.curves}
                for run in self.runs
            ],
            "groups": [each.to_plain(self.names) for each in self.groups],
            "settings": list(self.settings),
            "equal_settings": self.equal_settings,
            "matrix": None if self.matrix is None else self.matrix.to_plain(),
            "notes": list(self.notes),
            "axes": AXES,
            "measures": MEASURES,
        }


def compare(
    runs: Sequence[RunFacts],
    groups: Mapping[str, Sequence[int]] | None = None,
    matrix: Matrix | None = None,
    notes: Sequence[str] = (),
) -> Comparison:
    """Compare runs.

    Args:
        runs: two or more.
        groups: places of runs that count as one, by the group's name.
        matrix: of their agents in each other's niches, where that was played.
        notes: sentences for the reader, such as why it was not.

    Raises:
        InputError: there are fewer than two runs.
    """
    if len(runs) < 2:
        raise InputError(f"a comparison takes two runs or more, and {len(runs)} was given")
    tables = [run.settings for run in runs]
    names = list(dict.fromkeys(name for table in tables for name in table))
    differing = [
        {"setting": name, "values": [table.get(name) for table in tables]}
        for name in names
        if len({json.dumps(table.get(name), sort_keys=True) for table in tables}) > 1
    ]
    spent = {phase: 0 for run in runs for phase in run.costs}
    for run in runs:
        for phase, cost in run.costs.items():
            spent[phase] += cost["steps"]
    sampled = None if matrix is None else matrix.plan.sampled
    return Comparison(
        runs=tuple(runs),
        groups=[group(name, places, runs) for name, places in (groups or {}).items()],
        settings=differing,
        equal_settings=len(names) - len(differing),
        phases=sorted(spent, key=lambda phase: -spent[phase]),
        matrix=matrix,
        notes=[*_cautions(runs), *notes, *([] if sampled is None else [sampled])],
    )


def _cautions(runs: Sequence[RunFacts]) -> list[str]:
    """Say where figures of different runs do not mean the same."""
    found = []
    if len({(run.config.domain, run.config.encoding.name) for run in runs}) > 1:
        found.append(
            "the runs' environments are of different kinds, so their difficulties and scores are not one scale"
        )
    for run in runs:
        if source := run.summary["source"]:
            steps = source.get("steps")
            spent = "the steps" if steps is None else f"the {steps:,} steps"
            found.append(
                f"{run.name} began with {source['pairs']} pairs of {source['name']}: {spent} that went into them are "
                "not counted"
            )
    unmeasured = [run.name for run in runs if run.summary["annecs"] is None]
    if unmeasured:
        found.append(
            f"ANNECS is not known of {', '.join(unmeasured)}: it needs reproduction.whole_archive, "
            "which tests a new environment on every agent there has been"
        )
    going_on = [run.name for run in runs if run.summary["iterations"] < run.summary["iterations_wanted"]]
    if going_on:
        found.append(f"{', '.join(going_on)} had not come to an end when this was written")
    return found
