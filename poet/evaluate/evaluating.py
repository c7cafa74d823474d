"""Whom to evaluate and on what: agents and courses from runs, agent files, suites and curricula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from environments.controller import Controller
from environments.domain import engine_unusable, find_domain
from environments.suites import Level, Suite, homes_of, suites_of
from environments.tasks.curriculum import ALL, BOUNDARY, SPLITS, Curriculum
from poet import archive as archives
from poet.agents import is_agent_file, read_agent_file
from poet.archive.best import best_agents
from poet.archive.reading import read_config, read_population
from poet.errors import InputError, NoNicheError
from poet.evaluate.scoring import Contestant, Rules, terrains_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The courses and the rules that go with them."""

    name: str
    levels: list[Level]
    domain: str
    episode_limit: int
    solved_above: float
    must_finish: bool
    totals: Mapping[str, Sequence[int]] = field(default_factory=dict)  # courses that also count together, by name
    notes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # what more is known of terrains, by name

    @property
    def terrains(self) -> dict[str, Sequence[int]]:
        """What results are given for."""
        return {**terrains_of(self.levels), **self.totals}

    def rules(self, episodes: int, seed: int, engine: str | None, controller: Controller | None = None) -> Rules:
        """Complete the rules."""
        if engine is not None and (wrong := engine_unusable(find_domain(self.domain), engine)):
            raise InputError(f"--engine {wrong}")
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
        return _on_suite(suite_name, subject)
    return _curriculum(curriculum, split) if curriculum is not None else _niches(subject)


def chosen_suite(name: str, domain: str) -> Suite:
    """Make a domain's suite.

    Raises:
        InputError: the domain has none of this name, of which the message lists those it has, or is not installed.
    """
    try:
        makers = suites_of(domain)
    except ValueError as error:
        raise InputError(str(error)) from error
    if name not in makers:
        known = f"its suites are {', '.join(makers)}" if makers else "it has none"
        raise InputError(f"--suite is {name!r}, which {domain} does not have; {known}")
    return makers[name]()


def _on_suite(name: str, subject: Path) -> Ground:
    domain = _home(subject, name)
    suite = chosen_suite(name, domain)
    return Ground(
        name=f"suite {name}",
        levels=list(suite.levels),
        domain=domain,
        episode_limit=suite.episode_limit,
        solved_above=suite.solved_above,
        must_finish=False,
    )


def _home(subject: Path, suite: str) -> str:
    """Say which domain agents live in; of a file nobody knows, and it is taken for the first that has the suite."""
    if is_agent_file(subject):
        home = next(iter(homes_of(suite)), None)
        if home is None:
            raise InputError(f"--suite is {suite!r}, which no installed domain has")
        return home
    with archives.reading(subject) as connection:
        return read_config(connection).domain


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
    told = ("niche", "split", "difficulty", "difficulty_level")
    try:
        rows = {row["id"]: {key: row[key] for key in told} for row in curriculum.rows()}
        notes = {task.id: rows[task.id] for task in tasks}
    except (KeyError, TypeError) as error:
        raise InputError(f"the rows of {folder} do not tell of every task: {error} is missing") from error
    return Ground(
        name=f"{'all' if split == ALL else f'the {split}'} tasks of {folder.name}",
        levels=[Level(task.id, task.environment) for task in tasks],
        domain=curriculum.domain.name,
        episode_limit=curriculum.episode_limit,
        solved_above=curriculum.domain.solved_return,
        must_finish=True,
        totals=_totals([task.split for task in tasks]),
        notes=notes,
    )


def _totals(splits: Sequence[str]) -> dict[str, list[int]]:
    """Say which courses count together: those of every split that has several, and all if there are several splits."""
    totals = {}
    for name in (*SPLITS, BOUNDARY):
        places = [i for i, one in enumerate(splits) if one == name]
        if len(places) > 1:
            totals[f"{name}, {len(places)} tasks"] = places
    if len(set(splits)) > 1:
        totals[f"all {len(splits)} tasks"] = list(range(len(splits)))
    return totals


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
    best = best_agents(connection)
    if agents == "active":
        chosen = [row[0] for row in connection.execute("SELECT id FROM niche WHERE retired IS NULL ORDER BY id")]
    elif agents == "all":
        chosen = list(best)
    else:
        try:
            chosen = [int(part) for part in agents.split(",")]
        except ValueError as error:
            raise InputError(f"--agents is {agents!r}; it must be active, all, or niches such as 3,7") from error
    if not chosen:
        raise InputError(f"this run has no agent that is {agents}")
    for number in chosen:
        if number not in best:
            raise NoNicheError(number, len(best))
        if chosen.count(number) > 1:
            raise InputError(f"--agents {agents} names niche {number} more than once")
    return [Contestant(f"niche {number}", best[number].theta) for number in chosen]
