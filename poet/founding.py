"""The pairs of a run, or of an exported curriculum, with which another run begins: a branch of it.

Settings are fixed when a run starts; a branch is how to go on under others, or from what somebody else published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from environments.agent_files import load_agent
from environments.controller import Controller
from environments.files import holds_run
from environments.tasks.curriculum import AGENTS, DOCUMENT, ROWS, Curriculum, CurriculumError
from poet.archive.best import best_agents
from poet.archive.checksums import check_states
from poet.archive.reading import one_moment, read_config, read_population, read_steps, reading
from poet.config import Config
from poet.errors import InputError
from poet.grounds import check_environment
from poet.population import Founder

Row = dict[str, Any]
CURRICULUM = "curriculum"  # the usual name of an export's folder, which says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a run branches off."""

    folder: Path
    kind: str  # run or curriculum
    settings: Mapping[str, Any] | None  # those of the run; None where a curriculum does not say
    controller: Controller
    founders: Sequence[Founder]  # of the niches that were not retired, parents before their children
    steps: int | None  # of control that were simulated for them; None where a curriculum does not say

    def told(self) -> Row:
        """Give what the new run's archive keeps of this."""
        return {
            "name": name_of(self.folder),
            "kind": self.kind,
            "pairs": len(self.founders),
            "steps": self.steps,
        }

    def check(self, config: Config) -> None:
        """Raise InputError unless the pairs can live in a run."""
        for number, founder in enumerate(self.founders):
            name = f"pair {number} of {self.folder}"
            check_environment(name, founder.environment, config)
            if not np.isfinite(founder.theta).all():
                raise InputError(f"{name} has an agent with numbers that are not finite")


def name_of(folder: Path) -> str:
    """Say what a source is called in archives: by its folder, and the one above of an export's."""
    place = folder.resolve()
    return f"{place.parent.name}/{place.name}" if place.name == CURRICULUM else place.name


def read_source(folder: Path) -> Source:
    """Read the active niches of a run or of a curriculum, each with the best agent that it ever had.

    Raises:
        InputError: the folder holds neither, or the agents are missing or of different layers.
    """
    if holds_run(folder):
        return _of_run(folder)
    if (folder / DOCUMENT).is_file():
        try:
            return _of_curriculum(folder, Curriculum.load(folder))
        except CurriculumError as error:
            raise InputError(str(error)) from error
    raise InputError(f"{folder} holds neither a run nor an exported curriculum; name a folder to begin from")


def _of_run(folder: Path) -> Source:
    with reading(folder) as connection, one_moment(connection):
        check_states(connection)
        config, best = read_config(connection), best_agents(connection)
        niches = [pair.niche for pair in read_population(connection).pairs]
        spent = read_steps(connection).values()
    places: dict[int | None, int] = {niche.id: place for place, niche in enumerate(niches)}
    return Source(
        folder=folder,
        kind="run",
        settings=config.to_table(),
        controller=config.make_domain().controller,
        founders=[
            Founder(niche.environment, best[niche.id].theta.astype(np.float64), places.get(niche.parent))
            for niche in niches
        ],
        steps=None if None in spent else sum(filter(None, spent)),
    )


def _of_curriculum(folder: Path, curriculum: Curriculum) -> Source:
    rows = {row["id"]: row for row in curriculum.rows()} if (folder / ROWS).is_file() else {}
    listed = [rows.get(task.id, {"id": task.id}) for task in curriculum.stages]
    tasks = _elders_first([row for row in listed if row.get("retired") is None])
    if not tasks:
        raise InputError(f"{folder} has no task that is not retired; a run begins with one at least")
    inputs, *_, outputs = curriculum.domain.controller.sizes
    try:
        agents = [load_agent(folder / AGENTS / f"{task}.safetensors", inputs, outputs) for task, _ in tasks]
    except ValueError as error:
        raise InputError(f"{error}; a run begins with tasks that have agents") from error
    if odd := [agent.controller for agent in agents if agent.controller != agents[0].controller]:
        raise InputError(f"{folder} has agents of {agents[0].controller} and of {odd[0]}; a run's are of one kind")
    settings = curriculum.document.get("run", {}).get("settings")
    return Source(
        folder=folder,
        kind="curriculum",
        settings=settings if isinstance(settings, Mapping) else None,
        controller=agents[0].controller,
        founders=[
            Founder(curriculum.task(task).environment, agent.theta.astype(np.float64), parent)
            for (task, parent), agent in zip(tasks, agents, strict=True)
        ],
        steps=curriculum.steps,
    )


def _elders_first(rows: Iterable[Row]) -> list[tuple[str, int | None]]:
    """Order tasks by birth, but parents before their children, whatever their rows say: ids and parents' places."""
    waiting = {row["id"]: row for row in sorted(rows, key=_birth)}
    places: dict[Any, int] = {}
    found: list[tuple[str, int | None]] = []
    while waiting:
        line = [next(iter(waiting.values()))]
        while (parent := line[-1].get("parent")) in waiting and parent not in [row["id"] for row in line]:
            line.append(waiting[parent])
        for row in reversed(line):
            found.append((row["id"], places.get(row.get("parent"))))  # none that comes later, nor itself
            places[row["id"]] = len(places)
            del waiting[row["id"]]
    return found


def _birth(row: Row) -> tuple[int, int]:
    born, niche = (row.get(name) for name in ("born", "niche"))
    return born if isinstance(born, int) else 0, niche if isinstance(niche, int) else 0
