"""The pairs of a run, or of an exported curriculum, with which another run begins: a branch of it.

Settings are fixed when a run starts; a branch is how to go on under others, or from what somebody else published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from environments.agent_files import load_agent
from environments.controller import Controller
from environments.files import holds_run
from environments.tasks.curriculum import AGENTS, DOCUMENT, ROWS, Curriculum, CurriculumError
from poet.archive.best import best_agents
from poet.archive.reading import one_moment, read_config, read_population, reading
from poet.config import Config
from poet.errors import InputError
from poet.grounds import check_environment
from poet.population import Founder


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a run branches off."""

    name: str  # what to call it in a sentence
    kind: str  # run or curriculum
    settings: Mapping[str, Any] | None  # those of the run; None where a curriculum does not say
    controller: Controller
    founders: Sequence[Founder]  # of the niches that were not retired, in order of admission

    def told(self) -> dict[str, Any]:
        """Give what the new run's archive keeps of this."""
        place = Path(self.name).absolute()
        called = f"{place.parent.name}/{place.name}" if place.name == "curriculum" else place.name
        return {"name": called, "kind": self.kind, "pairs": len(self.founders)}

    def check(self, config: Config) -> None:
        """Raise InputError unless the pairs can live in a run."""
        for number, founder in enumerate(self.founders):
            check_environment(f"pair {number} of {self.name}", founder.environment, config)


def read_source(folder: Path) -> Source:
    """Read the active niches of a run or of a curriculum, each with the best agent that it ever had.

    Raises:
        InputError: the folder holds neither, or the agents are missing or of different layers.
    """
    if holds_run(folder):
        return _of_run(folder)
    if (folder / DOCUMENT).is_file():
        try:
            return _of_curriculum(folder)
        except CurriculumError as error:
            raise InputError(str(error)) from error
    raise InputError(f"{folder} holds neither a run nor an exported curriculum; name a folder to begin from")


def _of_run(folder: Path) -> Source:
    with reading(folder) as connection, one_moment(connection):
        config, best = read_config(connection), best_agents(connection)
        niches = [pair.niche for pair in read_population(connection).pairs]
    places = {niche.id: place for place, niche in enumerate(niches)}
    return Source(
        name=str(folder),
        kind="run",
        settings=config.to_table(),
        controller=config.make_domain().controller,
        founders=[
            Founder(
                niche.environment,
                best[niche.id].theta.astype(np.float64),
                None if niche.parent is None else places.get(niche.parent),
            )
            for niche in niches
        ],
    )


def _of_curriculum(folder: Path) -> Source:
    curriculum = Curriculum.load(folder)
    rows = list(curriculum.rows()) if (folder / ROWS).is_file() else []
    tasks = [row["id"] for row in sorted(rows, key=_birth) if row.get("retired") is None]
    tasks = tasks or [task.id for task in curriculum.stages]
    parents = {row["id"]: row.get("parent") for row in rows}
    places = {task: place for place, task in enumerate(tasks)}
    inputs, *_, outputs = curriculum.domain.controller.sizes
    try:
        agents = [load_agent(folder / AGENTS / f"{task}.safetensors", inputs, outputs) for task in tasks]
    except ValueError as error:
        raise InputError(f"{error}; a run begins from tasks that have agents") from error
    if odd := [agent.controller for agent in agents if agent.controller != agents[0].controller]:
        raise InputError(f"{folder} has agents of {agents[0].controller} and of {odd[0]}; a run's are of one kind")
    run = curriculum.document.get("run", {})
    return Source(
        name=str(folder),
        kind="curriculum",
        settings=run.get("settings"),
        controller=agents[0].controller,
        founders=[
            Founder(
                curriculum.task(task).environment, agent.theta.astype(np.float64), places.get(parents.get(task, ""))
            )
            for task, agent in zip(tasks, agents, strict=True)
        ],
    )


def _birth(row: Mapping[str, Any]) -> tuple[int, int]:
    """Order tasks so that parents come before their children."""
    return row.get("born", 0), row.get("niche", 0)
