"""A run from Python: start it, go on with it, read it, write what it found.

A `Run` is a folder's name and holds nothing open: every answer is read anew, as of one moment, also while the run
goes on elsewhere, and nothing needs to be closed. Only while `evolve` or `rescore` works does it hold the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from cluster.executor import Executor, InProcess
from cluster.processes import MOST_WORKERS, Processes
from environments.domain import Environment
from environments.files import PlaceError
from environments.plain import plain
from environments.tasks.curriculum import CurriculumError
from poet import agents as brought_agents
from poet import archive as archives
from poet import config as configuration
from poet import grounds
from poet.archive import inputs, inspection
from poet.config import Config
from poet.curves import weights_and_biases
from poet.curves.beside import FOLDER, Curves, beside, complete
from poet.display.live import Display
from poet.errors import InputError
from poet.export.splits import Fractions, SplitBy, StageOrder
from poet.fresh import fresh_episodes, keep
from poet.names import names_of
from poet.niches import Agent, Descent, KeptAgent, Niche, agents_of, descents_of, kept_agents_of, niches_of
from poet.population import Population
from poet.records import Journal
from poet.session import (
    DEFAULT_PRESET,
    Choices,
    interruptible_by_keyboard,
    is_done,
    live,
    open_run,
    resume_run,
    start_run,
)

logger = logging.getLogger(__name__)

Row = dict[str, Any]
View: TypeAlias = Literal["summary", "niches", "niche", "lineage", "transfers", "metrics", "timing"]
VIEWS: tuple[View, ...] = get_args(View)
Told: TypeAlias = Callable[[int, int], None]
"""Called with what is done, out of how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What `Run.evolve` tells after an iteration that is on disk."""

    iteration: int  # how many are done
    iterations: int  # to be done in all
    niches: int  # ever admitted
    scores: Mapping[int, float]  # of the active niches' agents in their own environments, by niche
    episodes: int  # of this iteration
    steps: int  # of simulation, of this iteration
    seconds: float  # of this iteration


class Run:
    """A run of POET in a folder.

    >>> run = Run.create("runs/first", preset="quick", settings={"seed": 3, "es.pairs": 2})
    >>> run.evolve(iterations=2, workers=1)
    >>> run.iteration
    2
    >>> [niche.description for niche in run.niches]
    ['flat']
    >>> [row["steps"] > 0 for row in run.metrics()]
    [True, True]
    """

    def __init__(self, folder: Path | str) -> None:
        """Name the run of a folder; `Run.open` also looks whether there is one."""
        self.folder = Path(folder)

    @staticmethod
    def presets() -> list[str]:
        """List the names of the settings that come with the program."""
        return configuration.presets()

    @classmethod
    def create(
        cls,
        folder: Path | str,
        *,
        preset: str | None = None,
        config: Mapping[str, Any] | Config | Path | str | None = None,
        settings: Mapping[str, Any] | None = None,
        agent: brought_agents.Brought | None = None,
        activations: tuple[str, str] | None = None,
        environments: grounds.Brought | Sequence[grounds.Brought] | None = None,
        source: Run | Path | str | None = None,
        exist_ok: bool = False,
    ) -> Run:
        """Start a run; its first iteration is run by `evolve`.

        Args:
            folder: a new or an empty one.
            preset: settings that come with the program, see `Run.presets()`; "quick" where neither this nor
                `config` is given.
            config: all settings instead, as a table, a `Config` or a TOML file's path.
            settings: single ones over those, such as {"seed": 3, "es.pairs": 64}.
            agent: to begin with, instead of a random one: a file's path (.safetensors, .pt), a network of PyTorch's,
                theta as an array, or an agent of another run. Its layers become the settings controller.*.
            activations: of its hidden layers and of its last, such as ("relu", "none"), where it does not say.
            environments: to begin in, instead of the simplest: each becomes a pair with the agent. One or several
                `Environment`s, tables of their fields, or paths of JSON files of one or of a list of them.
            source: a run, or an exported curriculum's folder, instead of both: to begin with its pairs, which are its
                environments but the retired ones, each with its best agent; and with its settings where neither
                `preset` nor `config` is given.
            exist_ok: go on with the run that the folder may hold; it must have begun with all that is given here.

        Raises:
            InputError: something of this is wrong, or the folder holds something else.

        >>> first = Run.open("runs/first")
        >>> Run.create("runs/second", agent=first.agents[0], environments=first.niches[0].environment)
        Run('runs/second')
        >>> Run.create("runs/third", source=first, settings={"seed": 5, "reproduction.capacity": 10})
        Run('runs/third')
        """
        run = cls(folder)
        choices = Choices(
            **_base(preset, config, settings),
            agent=agent,
            activations=activations,
            environments=environments,
            source=None if source is None else _source(source),
        )
        if activations is not None and agent is None:
            raise InputError(f"activations {activations} goes with an agent")
        begin = open_run if exist_ok else start_run
        with _input_errors():
            archive = begin(run.folder, choices, configuration.read_preset(DEFAULT_PRESET))
        with closing(archive):
            if not archive.population.iteration:
                for sentence in configuration.advice(archive.config):
                    logger.warning("%s", sentence)
        return run

    @classmethod
    def open(cls, folder: Path | str) -> Run:
        """Open the run of a folder, to read it or to go on with it.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        run = cls(folder)
        run.config  # noqa: B018 - says what is wrong, if something is
        return run

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    # What it does

    def evolve(
        self,
        iterations: int | None = None,
        *,
        workers: int | None = None,
        executor: Executor | None = None,
        progress: bool | Callable[[Progress], object] = False,
        rescore: bool = True,
        tensorboard: bool | Path | str = False,
        wandb: str | None = None,
    ) -> None:
        """Run on to so many iterations in all; each is on disk before the next begins.

        Ctrl-C raises KeyboardInterrupt, and leaves the archive as of the last iteration on disk; so does whatever
        else ends it. The same call goes on from there. How many workers there are never changes a result.

        Args:
            iterations: in all, those before included; as many as the run was made for if None.
            workers: processes that simulate; one a core if None, and with 1 none beside this.
            executor: where to simulate instead (`cluster.executor.Executor`); it stays open.
            progress: True shows what goes on, on standard error; a function is called after every iteration.
            rescore: whether to score the best agents on fresh episodes at the end, as `Run.rescore` does.
            tensorboard: True writes curves for TensorBoard into the run's folder, a path into that one. What they
                lack of earlier iterations is read from the archive.
            wandb: the project on Weights & Biases to send curves to.

        Raises:
            InputError: the run has done more iterations already, another process is writing it, or it is damaged.
            ArchiveError: it could not be written on; what was committed before is intact.
            WorkersError: no worker can be kept alive.
        """
        if wandb is not None:
            weights_and_biases.check_installed()
        curves = Curves(
            self.folder / FOLDER if tensorboard is True else Path(tensorboard) if tensorboard else None, wandb
        )
        make_executor = _maker(workers, executor)
        overrides = {} if iterations is None else {"iterations": _whole("iterations", iterations)}
        with interruptible_by_keyboard(), _input_errors():
            self.config  # noqa: B018 - a folder without a run is refused by name
            archive = resume_run(self.folder, Choices(base=None, overrides=overrides, origin="settings"))
            with closing(archive):
                if archive.population.iteration < archive.config.iterations or (rescore and not is_done(archive)):
                    live(archive, make_executor, lambda: _curved(progress, archive, curves), rescore=rescore)
                else:
                    complete(archive, curves)
                archive.check()  # what is read next must be of this run

    def rescore(
        self, *, workers: int | None = None, executor: Executor | None = None, progress: Told | None = None
    ) -> int:
        """Score the niches' best agents on fresh episodes, those that are not yet, and keep it in the archive.

        Returns:
            How many agents were scored.

        Raises:
            InputError: another process is writing the run, or it cannot be written.
        """
        make_executor = _maker(workers, executor)
        with _input_errors():
            with self._reading() as connection:
                found = fresh_episodes(connection, make_executor, progress)
            if found.played:  # and nobody reads any more: an older archive is brought up to date now
                keep(self.folder, found.played)
        return len(found.played)

    def inject(self, environment: grounds.Brought, *, iteration: int | None = None) -> int:
        """Put an environment into the run, which may be going on elsewhere: a candidate at its next reproduction.

        It is judged like any child, but by the best of all active agents, since it has no parent: the minimal
        criterion, then novelty, then the audition. The archive keeps it, and that a person put it in, so that the
        run stays exact: another one with the same settings and inputs at the same iterations is equal to the bit.

        Args:
            environment: itself, a table of its fields, or the path of a JSON file of one.
            iteration: of the reproduction that is to take it, to repeat a run with; the next if None.

        Returns:
            The iteration of the reproduction that takes it, if the run goes on so far. One that has ended, or that
            ends before it (`config.iterations` is not above it), is to be gone on with: `evolve(iterations=N)`, N
            above it. As far as can be said: while the run goes on elsewhere, that one may already be under way, and
            the one after takes it.

        Raises:
            InputError: it is no environment of the run's domain and encoding, or of a part of the run that is over.

        >>> run = Run.open("runs/first")
        >>> harder = {**run.niches[0].environment.genome, "roughness": 1.2}
        >>> run.inject({"domain": "walker2d", "encoding": "parametric", "genome": harder, "seed": 4})
        20
        >>> len(run.waiting())
        1
        """
        with _input_errors():
            with self._reading() as connection:
                config, done = archives.read_config(connection), archives.read_population(connection).iteration
            found = grounds.take_environments([environment], config)
            wanted = _single(environment, found, "put them in")
            every = config.reproduction.every
            upcoming = max(-(-done // every), 1) * every
            if iteration is not None:
                upcoming = _whole("iteration", iteration)
                if upcoming < done or not config.reproduction.due(upcoming):
                    raise InputError(
                        f"iteration is {iteration}; it must be a multiple of {every}, reproduction.every, "
                        f"and at least {done}, which the run is at"
                    )
            inputs.put(self.folder, wanted, None if iteration is None else upcoming)
        return upcoming

    # What it is

    @property
    def config(self) -> Config:
        """The settings that it was started with."""
        with self._reading() as connection:
            return archives.read_config(connection)

    @property
    def iteration(self) -> int:
        """How many iterations are on disk: the number of the next."""
        return self.population.iteration

    @property
    def population(self) -> Population:
        """Where the algorithm stands: active pairs with their optimisers, and what was retired."""
        with self._reading() as connection:
            return archives.read_population(connection)

    @property
    def niches(self) -> tuple[Niche, ...]:
        """Every environment that was admitted, oldest first. `niche.row()` is a row for a table."""
        with self._reading() as connection:
            return niches_of(connection)

    @property
    def agents(self) -> tuple[Agent, ...]:
        """The best agent of every niche, in the niches' order."""
        with self._reading() as connection:
            return tuple(agents_of(connection).values())

    @property
    def kept_agents(self) -> tuple[KeptAgent, ...]:
        """Every copy of an agent that the archive keeps, in the order in which they were kept."""
        with self._reading() as connection:
            return kept_agents_of(connection)

    @property
    def lineage(self) -> tuple[Descent, ...]:
        """The family tree, oldest first."""
        with self._reading() as connection:
            return descents_of(connection)

    def inspect(self, view: View = "summary", niche: int | None = None) -> Any:
        """Give what `poet inspect RUN VIEW --json` writes, as plain values.

        Raises:
            InputError: there is no such view or niche.
        """
        if view not in VIEWS:
            raise InputError(f"view is {view!r}; it must be one of {', '.join(VIEWS)}")
        if (view == "niche") != (niche is not None):
            raise InputError(f"the view {view} takes {'the id of a niche' if view == 'niche' else 'no niche'}")
        with self._reading() as connection:
            return getattr(inspection, view)(connection, *([] if niche is None else [niche]))

    def summary(self) -> Row:
        """Give the headline figures."""
        return dict(self.inspect("summary"))

    def metrics(self) -> list[Row]:
        """Give a row an iteration; `pandas.DataFrame(run.metrics())` is a table of them."""
        return list(self.inspect("metrics"))

    def scores(self, niche: int) -> list[Row]:
        """Give a row an iteration of one niche: what its agent scored and what its optimiser did.

        Raises:
            InputError: there is no such niche.
        """
        return list(self.inspect("niche", niche)["scores"])

    def transfers(self) -> list[Row]:
        """Give a row a tournament: who was to be replaced by whom, and who moved in, if anybody."""
        return self._rows("SELECT * FROM transfer ORDER BY iteration, target")

    def children(self) -> list[Row]:
        """Give a row an environment that was tried, admitted or not, and why."""
        return self._rows("SELECT * FROM child ORDER BY iteration, number")

    def inputs(self) -> list[Row]:
        """Give a row an environment that a person put in: when it was taken, as which child, and what became of it."""
        return self._rows(
            """SELECT iteration, number, input.environment, decision, parent_score AS best_score, novelty, score, niche
            FROM input JOIN child USING (iteration, number) ORDER BY iteration, number"""
        )

    def waiting(self) -> list[Row]:
        """Give a row an environment that was put in and is not taken yet."""
        with self._reading() as connection:
            found = list(inputs.waiting(self.folder, connection, archives.read_config(connection)))
        return [
            {"file": each.file, "environment": each.environment.to_json(), "iteration": each.iteration}
            for each in found
            if isinstance(each, inputs.Waiting)
        ]

    def costs(self) -> list[Row]:
        """Give a row a purpose and iteration: its episodes and steps of simulation."""
        return self._rows("SELECT * FROM cost ORDER BY iteration, purpose")

    # What it can be made into

    def export(
        self,
        output: Path | str,
        *,
        split_by: str = "lineage",
        fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
        stage_order: str = "birth",
        seed: int = 0,
        workers: int | None = None,
        others: Sequence[Run | Path | str] = (),
    ) -> Row:
        """Write environments and agents as a curriculum for any learner; the same archive gives the same bytes.

        Args:
            output: the folder; an older curriculum in it is replaced at once and whole.
            split_by: what decides on a task's split: lineage, difficulty or birth.
            fractions: shares of train, validation and test.
            stage_order: in which order to learn the tasks: birth or difficulty.
            seed: decides between equally good splits.
            workers: processes that play the fresh episodes that are missing.
            others: more runs, or their folders, whose environments and agents belong to the same curriculum.

        Returns:
            What its `curriculum.json` holds.

        Raises:
            InputError: the splits are impossible, the runs cannot be one curriculum, or nothing can be written there.
        """
        from poet.export import curriculum  # noqa: PLC0415 - slow to load

        settings = curriculum.ExportSettings(
            split_by=_choice(SplitBy, "split_by", split_by),
            fractions=_fractions(fractions),
            stage_order=_choice(StageOrder, "stage_order", stage_order),
            seed=_whole("seed", seed, 0),
        )
        folders, make_executor = [self.folder, *map(_folder, others)], _maker(workers, None)
        with _input_errors(), ExitStack() as stack:
            connections = [stack.enter_context(Run(folder)._reading()) for folder in folders]
            sources = [curriculum.Source(*each) for each in zip(names_of(folders), connections, strict=True)]
            return curriculum.export_sources(
                sources, Path(output), settings, lambda place: fresh_episodes(connections[place], make_executor).all
            )

    def report(self, output: Path | str, *, films: int = 12, workers: int | None = None) -> int:
        """Write one page that shows all of the run, and needs no network.

        Args:
            output: its file, which ends in .html.
            films: of at most so many agents' episodes.
            workers: processes that play the fresh episodes that are missing.

        Returns:
            Its size in bytes.

        Raises:
            InputError: nothing can be written there.
        """
        from poet import report  # noqa: PLC0415 - slow to load

        with _input_errors(), self._reading() as connection:
            fresh = fresh_episodes(connection, _maker(workers, None)).all
            return report.write(connection, Path(output), self.folder.resolve().name, _whole("films", films, 0), fresh)

    def render(
        self,
        niche: int,
        output: Path | str,
        *,
        agent_of: int | None = None,
        agent: Path | str | None = None,
        activations: tuple[str, str] | None = None,
        environment: grounds.Brought | None = None,
        seed: int | None = None,
        progress: Told | None = None,
    ) -> Row:
        """Film a niche's best agent in it, or put another agent or environment in its place.

        Args:
            niche: its id.
            output: a file that ends in .gif, .mp4 or .png.
            agent_of: the id of the niche whose best agent to show instead.
            agent: the file of an agent to show instead.
            activations: of that file's agent, where it does not say.
            environment: to show the agent in instead.
            seed: of the episode; that of the median of the agent's fresh ones if None.
            progress: called with the steps played, out of the limit.

        Returns:
            What the episode came to: `steps`, `return` and which `episode` it is.

        Raises:
            InputError: there is no such niche, agent or environment, or nothing can be written there.
        """
        from dataclasses import replace  # noqa: PLC0415

        from poet.report import rendering  # noqa: PLC0415 - slow to load

        if agent is not None and agent_of is not None:
            raise InputError("agent and agent_of exclude each other")
        with _input_errors():
            rendering.check_format(Path(output))
            with self._reading() as connection:
                shown = None
                if environment is not None:
                    found = grounds.take_environments([environment], archives.read_config(connection))
                    shown = _single(environment, found, "show them").to_json()
                cast = rendering.Cast(
                    niche=niche,
                    agent_of=agent_of,
                    agent_file=None if agent is None else Path(agent),
                    activations=activations,
                    environment=shown,
                )
                scene = rendering.scene_of(connection, cast, seed)
            take = rendering.film(replace(scene, progress=progress), Path(output))
        return {"steps": take.steps, "return": take.score, "episode": scene.episode}

    def evaluate(
        self,
        *,
        suite: str | None = None,
        niches: bool = False,
        curriculum: Path | str | None = None,
        split: str | None = None,
        agents: str = "active",
        episodes: int = 5,
        seed: int = 0,
        engine: str | None = None,
        workers: int | None = None,
        executor: Executor | None = None,
        progress: Told | None = None,
    ) -> Row:
        """Score the run's agents on courses that they were not bred on; every agent meets the same episodes.

        Exactly one of `suite`, `niches` and `curriculum` says on what.

        Args:
            suite: a fixed suite: walker, high, xchal, poet or stump-tracks.
            niches: on all niches of the run.
            curriculum: the folder of an exported one.
            split: which of its tasks: train, validation, test or all; test if None.
            agents: active, all, or niches such as "3,7".
            episodes: of each agent on each course.
            seed: of the episodes.
            engine: of the domain; its fastest if None.
            workers: processes that simulate; one a core if None.
            executor: where to simulate instead.
            progress: called with the work items done, out of how many.

        Returns:
            What `poet evaluate --json` writes: under `results` a row an agent and terrain.

        Raises:
            InputError: something of this cannot be had.
            EvaluationError: some episodes could not be simulated.
        """
        from poet.evaluate.evaluation import Evaluation  # noqa: PLC0415 - slow to load

        make_executor = _maker(workers, executor)
        with _input_errors():
            evaluation = Evaluation.of(
                self.folder,
                suite=suite,
                niches=niches,
                curriculum=None if curriculum is None else Path(curriculum),
                split=split,
                agents=agents,
                episodes=_whole("episodes", episodes),
                seed=_whole("seed", seed, 0),
                engine=engine,
            )
            with make_executor() as workplace:
                return evaluation.figures(evaluation.play(workplace, progress))

    def compare(
        self,
        *others: Run | Path | str,
        groups: Mapping[str, Sequence[Run | Path | str]] | None = None,
        output: Path | str | None = None,
        matrix: bool = True,
        niches: int = 20,
        episodes: int = 3,
        seed: int = 0,
        workers: int | None = None,
        executor: Executor | None = None,
        progress: Told | None = None,
    ) -> Row:
        """Lay this run beside others: progress, cost, settings that differ, agents in each other's niches.

        Args:
            others: more runs, or their folders. All are only read, and may be going on.
            groups: runs that count as one, by name, such as seeds; for interquartile means with 95 % intervals.
            output: a page to write, which ends in .html.
            matrix: whether to play the agents of each run in the niches of all.
            niches: of each run, at most so many in the matrix, evenly chosen by birth.
            episodes: of each agent in each niche.
            seed: of these episodes.
            workers: processes that simulate; one a core if None.
            executor: where to simulate instead.
            progress: called with the episodes done, out of how many.

        Returns:
            What `poet compare --json` writes.

        Raises:
            InputError: a folder holds no run, or is named twice, or the page cannot be written.
            EvaluationError: some episodes could not be simulated.
        """
        from poet.compare import page  # noqa: PLC0415 - slow to load
        from poet.compare.comparing import MatrixSettings, compare_folders  # noqa: PLC0415

        settings = MatrixSettings(
            wanted=matrix,
            episodes=_whole("episodes", episodes),
            niches=_whole("niches", niches),
            seed=_whole("seed", seed, 0),
        )
        with _input_errors():
            if output is not None:
                page.check(Path(output))
            found = compare_folders(
                [self.folder, *map(_folder, others)],
                {name: list(map(_folder, members)) for name, members in (groups or {}).items()},
                settings=settings,
                make_executor=_maker(workers, executor),
                progress=progress,
            )
            if output is not None:
                page.write(found, Path(output))
        return found.to_plain()

    def examine(self) -> list[Row]:
        """Compare all that the archive keeps with its checksums, as `poet doctor RUN` does: a row a part.

        Raises:
            InputError: it cannot be read at all.
        """
        from poet.diagnosis import examine, rows  # noqa: PLC0415 - few need it

        return rows(examine(self.folder))

    # Within

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with archives.reading(self.folder) as connection, archives.one_moment(connection):
            yield connection

    def _rows(self, query: str) -> list[Row]:
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query)]


def _base(
    preset: str | None, config: Mapping[str, Any] | Config | Path | str | None, settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Say of what table, over which single settings, a configuration is built, and what to call it."""
    if preset is not None and config is not None:
        raise InputError("preset and config exclude each other; give one, and refine it by settings")
    if settings is not None and not isinstance(settings, Mapping):
        raise InputError(f"settings is {settings!r}; it must be a table, such as {{'seed': 3, 'es.pairs': 64}}")
    overrides: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        overrides = configuration.merge(overrides, _nested(key, value))
    base, origin = None, "settings"
    if isinstance(config, Config):
        base, origin = config.to_table(), "config"
    elif isinstance(config, Mapping):
        base, origin = _plain("config", config), "config"
    elif config is not None:
        if not isinstance(config, Path | str):
            raise InputError(f"config is {config!r}; it must be a table, a Config or a TOML file's path")
        base, origin = configuration.read_file(Path(config)), str(config)
    elif preset is not None:
        base, origin = configuration.read_preset(preset), f"preset {preset}"
    return {"base": base, "overrides": overrides, "origin": origin}


def _nested(key: Any, value: Any) -> dict[str, Any]:
    """Read a setting whose name may be dotted."""
    if not isinstance(key, str) or not all(key.split(".")):
        raise InputError(f"settings has a key {key!r}; a key is a setting's name, such as es.pairs")
    nested = _plain(key, value)
    for part in reversed(key.split(".")):
        nested = {part: nested}
    return dict(nested)


def _plain(name: str, value: Any) -> Any:
    """Give settings as TOML would: NumPy's numbers are taken for what they say."""
    try:
        return plain(value)
    except ValueError as error:
        raise InputError(f"{name} is {value!r}; it must be what TOML can hold") from error


def _folder(run: Run | Path | str) -> Path:
    return run.folder if isinstance(run, Run) else Path(run)


def _source(source: Any) -> Path:
    if not isinstance(source, Run | Path | str):
        raise InputError(f"source is {source!r}; it must be a run or a folder's path")
    return _folder(source)


def _single(brought: Any, found: Sequence[Environment], do: str) -> Environment:
    if len(found) != 1:
        raise InputError(f"{brought} holds {len(found)} environments; {do} one by one")
    return found[0]


def _whole(name: str, value: Any, low: int = 1) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < low:
        raise InputError(f"{name} is {value!r}; it must be a whole number, at least {low}")
    return int(value)


def _choice(kind: Any, name: str, value: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise InputError(f"{name} is {value!r}; it must be one of {', '.join(kind)}") from None


def _fractions(shares: Sequence[float]) -> Fractions:
    try:
        train, validation, test = (float(share) for share in shares)
    except (TypeError, ValueError) as error:
        raise InputError(f"fractions is {shares!r}; it must be three numbers, such as (0.7, 0.15, 0.15)") from error
    return Fractions((train, validation, test))


def _maker(workers: int | None, executor: Executor | None) -> Callable[[], AbstractContextManager[Executor]]:
    """Say how to get at the workers, and what of them to close afterwards."""
    if executor is not None:
        if workers is not None:
            raise InputError("workers and executor exclude each other")
        return lambda: nullcontext(executor)
    if workers is not None and _whole("workers", workers) > MOST_WORKERS:
        raise InputError(f"workers is {workers}; it must be in [1, {MOST_WORKERS}]")
    return lambda: closing(InProcess() if workers == 1 else Processes(workers))


@contextmanager
def _input_errors() -> Iterator[None]:
    """Let whoever uses Python catch one kind of error for what they can put right themselves."""
    try:
        yield
    except (PlaceError, CurriculumError) as error:
        raise InputError(str(error)) from error


def _display(progress: bool | Callable[[Progress], object], archive: archives.Archive) -> Display:
    if progress is True:
        from poet.display.live import make_display  # noqa: PLC0415
        from poet.display.output import err  # noqa: PLC0415 - the library's users need no console

        return make_display(err, archive.config, archive.path.parent, archive.population, archive.accepted_transfers())
    return _Telling(archive.config.iterations, progress or None)


def _curved(progress: bool | Callable[[Progress], object], archive: archives.Archive, curves: Curves) -> Display:
    """Choose what hears of the run, and put curves beside it."""
    return beside(_display(progress, archive), archive, curves, logger.warning)


class _Telling:
    """A display that shows nothing, and tells a function of what is on disk."""

    def __init__(self, iterations: int, told: Callable[[Progress], object] | None) -> None:
        self._iterations = iterations
        self._told = told

    def phase(self, purpose: str, done: int, total: int) -> None:
        pass

    def iteration(self, population: Population, journal: Journal, seconds: float) -> None:
        if self._told is not None:
            self._told(
                Progress(
                    iteration=population.iteration,
                    iterations=self._iterations,
                    niches=len(population.niches),
                    scores={pair.niche.id: pair.score for pair in population.pairs if pair.score is not None},
                    episodes=sum(journal.tally.episodes.values()),
                    steps=sum(journal.tally.steps.values()),
                    seconds=seconds,
                )
            )

    def close(self) -> None:
        pass
