"""The tasks of several runs as those of one: equal environments are one task, and near relatives are known.

Runs are related where they invented the same environment, which joins their family trees, and where two
environments have the same genome and differ in the terrain's seed alone: flat ground is the same ground by any seed.
A child of the one is then as near to the other as to its parent. And what two runs bred from the same ground may be
nearer to each other than either is to that ground, as no parent in the boundary between them would tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from environments.domain import Domain, Environment
from environments.tasks.task import twins_text
from poet.archive.domains import Remembered
from poet.config import Config, if_installed
from poet.errors import InputError
from poet.novelty import places_of

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """What a run gives a curriculum."""

    name: str  # of the run
    config: Config
    domain: Domain | Remembered
    rows: Sequence[Row]  # one a task, by admission
    agents: Mapping[str, bytes]  # files by their names
    iterations: int  # done
    steps: Mapping[str, int | None]  # of control: the run's, and those before it where it branches off another
    tried: Sequence[Row]  # every environment that was tried, admitted or not
    scores: Sequence[Row] = ()  # of agents in many environments


@dataclass(frozen=True, slots=True)
class Merged:
    """Several runs as one."""

    found: Found  # with `run`, `run_niche` and `also_in` in its rows, by birth
    kin: Mapping[str, Sequence[str]]  # tasks before a task that are as near to it as parents are, none of them one


def merge(several: Sequence[Found]) -> Merged:
    """Merge what runs give.

    An environment that several invented is one task: the row, and so the agent, is that of the run whose agent
    scored highest in it, as within a run; `parents` are those of all.

    Raises:
        InputError: the runs cannot be one curriculum.
    """
    config = _common(several)
    by_task: dict[str, list[tuple[Found, Row]]] = defaultdict(list)
    for found in several:
        for row in found.rows:
            by_task[row["id"]].append((found, row))
    rows, agents = [], {}
    for versions in by_task.values():
        found, row = max(versions, key=lambda version: _score(version[1]))  # the first of equals
        parents = dict.fromkeys(parent for _, each in versions for parent in each["parents"])
        others = [other.name for other, _ in versions if other is not found]
        provenance = {"run": found.name, "run_niche": row["niche"], "also_in": others}
        rows.append({**row, **provenance, "parents": [each for each in parents if each != row["id"]]})
        agents[row["agent"]] = found.agents[row["agent"]]
    order = {found.name: place for place, found in enumerate(several)}
    rows.sort(key=lambda row: (row["born"], order[row["run"]], row["run_niche"]))
    numbered = [{**row, "niche": number} for number, row in enumerate(rows)]
    tried = [row for found in several for row in found.tried]
    scores = [{**row, "run": found.name} for found in several for row in found.scores]
    merged = replace(several[0], config=config, rows=numbered, agents=agents, tried=tried, scores=scores)
    return Merged(merged, _kin(numbered, config))


def _score(row: Row) -> float:
    return float("-inf") if row["luckiest_score"] is None else float(row["luckiest_score"])


def _kin(rows: Sequence[Row], config: Config) -> dict[str, list[str]]:
    """Find each task's relatives before it, but for its parents: twins, their children, and near siblings."""
    twins: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        twins[twins_text(row["encoding"], row["genome"])].append(row["id"])
    genomes = {row["id"]: twins_text(row["encoding"], row["genome"]) for row in rows}
    related: dict[str, set[str]] = {row["id"]: set(twins[genomes[row["id"]]]) for row in rows}
    litters: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grounds = dict.fromkeys(genomes[parent] for parent in row["parents"])
        for genome in grounds:
            litters[genome].append(row)
            related[row["id"]].update(twins[genome])
    by_id = {row["id"]: row for row in rows}
    for genome, litter in litters.items():
        for one, other in _near(by_id[twins[genome][0]], litter, config):
            related[one].add(other)
    kin: dict[str, list[str]] = {row["id"]: [] for row in rows}
    place = {row["id"]: number for number, row in enumerate(rows)}
    for one, others in related.items():
        for other in others - {one}:
            early, late = sorted((one, other), key=place.__getitem__)
            if early not in by_id[late]["parents"] and late not in by_id[early]["parents"]:
                kin[late].append(early)
    return {late: sorted(set(early), key=place.__getitem__) for late, early in kin.items()}


def _near(parent: Row, litter: Sequence[Row], config: Config) -> list[tuple[str, str]]:
    """List pairs of children of one ground that lie nearer to each other than either does to it, by their genomes."""
    places = if_installed(lambda: places_of([environment_of(row) for row in (parent, *litter)], config))
    if places is None:
        return []
    away = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    return [
        (litter[i]["id"], litter[j]["id"])
        for i in range(len(litter))
        for j in range(i)
        if away[i + 1, j + 1] < min(away[0, i + 1], away[0, j + 1])
    ]


def environment_of(row: Row) -> Environment:
    """Give a row's environment."""
    return Environment(domain=row["domain"], encoding=row["encoding"], genome=row["genome"], seed=row["terrain_seed"])


def check_alike(named: Sequence[tuple[str, Config]]) -> None:
    """Raise InputError unless runs of these names and settings may be one curriculum, as far as settings tell."""
    (first, config), *others = named
    for name, other in others:
        alike = {
            "domain": (config.domain, other.domain),
            "encoding.name": (config.encoding.name, other.encoding.name),
            "episode_limit": (config.episode_limit, other.episode_limit),
        }
        for setting, (one, another) in alike.items():
            if one != another:
                raise InputError(
                    f"{first} and {name} cannot be one curriculum: {setting} is {one!r} in the one and "
                    f"{another!r} in the other"
                )


def _common(several: Sequence[Found]) -> Config:
    """Give the settings by which all tasks can be made; raises InputError where there are none."""
    first = several[0]
    check_alike([(found.name, found.config) for found in several])
    for found in several[1:]:
        if found.domain.controller != first.domain.controller:
            raise InputError(
                f"{first.name} and {found.name} cannot be one curriculum: the agents of the one are of "
                f"{first.domain.controller}, and those of the other of {found.domain.controller}"
            )
    # An encoding's options bound its genomes; those of one run may leave out what another invented.
    for found in several:
        if _fits(found.config, several):
            return found.config
    raise InputError(
        f"{', '.join(found.name for found in several)} cannot be one curriculum: under the encoding.options of none of "
        "them are the environments of all valid"
    )


def _fits(config: Config, several: Sequence[Found]) -> bool:
    if all(found.config.encoding.options == config.encoding.options for found in several):
        return True
    try:
        for found in several:
            for row in found.rows:
                environment = environment_of(row)
                encoding = if_installed(lambda: config.encoding_of(environment))  # noqa: B023
                if encoding is None:  # nobody can say
                    return False
                encoding.check(environment.genome)
    except ValueError:
        return False
    return True
