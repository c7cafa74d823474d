"""Whom to evaluate and on what: agents and courses from runs, agent files, suites and curricula."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

import numpy as np

from environments.controller import Controller
from environments.curriculum import Curriculum
from environments.domain import find_domain
from environments.suites import SOLVED, Level, suite
from poet import archive as archives
from poet.agents import is_agent_file, read_agent_file
from poet.archive import read_config, read_population
from poet.errors import InputError
from poet.rows import read_blob
from poet.scoring import Contestant, Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The courses and the rules that go with them."""

    name: str
    levels: list[Level]
    domain: str
    episode_limit: int
    solved_above: float
    must_finish: bool

    def rules(self, episodes: int, seed: int, engine: str | None, controller: Controller | None = None) -> Rules:
        """Complete the rules."""
        engines = find_domain(self.domain).engines
        if engine is not None and engine not in engines:
            raise InputError(f"--engine is {engine!r}; it must be one of {', '.join(engines)}")
        return Rules(
            domain=self.domain,
            episodes=episodes,
            seed=seed,
            episode_limit=self.episode_limit,
            solved_above=self.solved_above,
            must_finish=self.must_finish,
            engine=engine,
            controller=controller,
        )


def ground_from(subject: Path, suite_name: str | None, niches: bool, curriculum: Path | None, split: str) -> Ground:
    """Find the courses that are asked for; exactly one kind.

    Raises:
        InputError: none or several kinds are asked for, or they cannot be had.
    """
    if sum((suite_name is not None, niches, curriculum is not None)) != 1:
        raise InputError("evaluate on one of --suite NAME, --niches and --curriculum DIR")
    if suite_name is not None:
        return _suite(suite_name)
    return _curriculum(curriculum, split) if curriculum is not None else _niches(subject)


def _suite(name: str) -> Ground:
    try:
        levels = suite(name)
    except ValueError as error:
        raise InputError(f"--{error}") from error
    domain = find_domain(levels[0].environment.domain)
    return Ground(
        name=f"suite {name}",
        levels=levels,
        domain=domain.name,
        episode_limit=domain.episode_limit,
        solved_above=SOLVED,
        must_finish=False,
    )


def _niches(run: Path) -> Ground:
    if is_agent_file(run):
        raise InputError("--niches needs a run; an agent file has none")
    with archives.reading(run) as connection:
        config, population = read_config(connection), read_population(connection)
    return Ground(
        name="the run's niches",
        levels=[Level(f"niche {niche.id}", niche.environment) for niche in population.niches],
        domain=config.domain,
        episode_limit=config.episode_limit,
        solved_above=find_domain(config.domain).solved_return,
        must_finish=True,
    )


def _curriculum(folder: Path, split: str) -> Ground:
    curriculum = Curriculum.load(folder)
    tasks = curriculum.split(split)
    if not tasks:
        raise InputError(f"{folder} has no {split} tasks; name another --split")
    levels = [
        Level(str(row["difficulty_level"] or split), curriculum.task(row["id"]).environment)
        for row in curriculum.rows()
        if row["split"] == split
    ]
    return Ground(
        name=f"the {split} tasks of {folder.name}",
        levels=levels,
        domain=curriculum.domain.name,
        episode_limit=curriculum.document["run"]["episode_limit"],
        solved_above=curriculum.domain.solved_return,
        must_finish=True,
    )


def contestants_from(
    subject: Path, agents: str | None, domain: str, activations: tuple[str, str] | None = None
) -> tuple[list[Contestant], Controller]:
    """Find the agents that are asked for, all of one kind.

    Args:
        subject: a run, or an agent file.
        agents: of a run: "active", as when None, "all", or niche ids such as "3,7".
        domain: that they must belong to.
        activations: of a file's agent, where the file does not say.

    Raises:
        InputError: there are no such agents, or they belong to another domain.
    """
    if is_agent_file(subject):
        if agents is not None:
            raise InputError(f"--agents {agents} goes with a run; {subject} is one agent")
        agent = read_agent_file(subject, domain, activations)
        return [Contestant(subject.stem, agent.theta)], agent.controller
    if activations is not None:
        raise InputError("--activations goes with an agent's file; a run knows its agents'")
    with archives.reading(subject) as connection:
        config = read_config(connection)
        if config.domain != domain:
            raise InputError(f"the agents of {subject} live in {config.domain}; the courses are {domain}'s")
        return _of_run(connection, agents or "active"), config.make_domain().controller


def _of_run(connection: Connection, agents: str) -> list[Contestant]:
    query = "SELECT niche, coalesce(best_theta, theta), retired FROM pair JOIN niche ON niche.id = niche ORDER BY niche"
    rows = {row[0]: row for row in connection.execute(query)}
    if agents == "active":
        chosen = [number for number, row in rows.items() if row["retired"] is None]
    elif agents == "all":
        chosen = list(rows)
    else:
        try:
            chosen = [int(part) for part in agents.split(",")]
        except ValueError as error:
            raise InputError(f"--agents is {agents!r}; it must be active, all, or niches such as 3,7") from error
    for number in chosen:
        if number not in rows:
            raise InputError(f"there is no niche {number}; this run has niches 0 to {len(rows) - 1}")
        if chosen.count(number) > 1:
            raise InputError(f"--agents {agents} names niche {number} more than once")
    return [Contestant(f"niche {number}", read_blob(rows[number][1]).astype(np.float32)) for number in chosen]
