"""What a run has come to, as plain frozen objects: its niches, its agents, and who descends from whom.

They are what the archive held when they were read; none of them holds it open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.controller import NO_ACTIVATION, Controller
from environments.domain import Environment
from environments.files import write_aside
from environments.weights import agent_bytes
from poet.agents import TORCH_NAMES
from poet.archive import inspection
from poet.archive.best import agent_id, best_agents
from poet.archive.reading import read_config
from poet.archive.rows import niche_from, read_blob
from poet.config import Config
from poet.errors import InputError

if TYPE_CHECKING:
    import torch

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Agent:
    """A controller with its parameters, and the niche that it is of.

    >>> from poet import Run
    >>> agent = Run.open("runs/first").agents[0]
    >>> agent.controller.sizes
    (24, 40, 40, 4)
    >>> agent.act(np.zeros(24)).shape
    (4,)
    """

    niche: int
    domain: str
    controller: Controller
    theta: NDArray[np.float32] = field(repr=False)  # (P,) as it acts; read-only

    @cached_property
    def id(self) -> str:
        """The content hash: 16 hexadecimal digits of SHA-256 over theta."""
        return agent_id(self.theta)

    def act(self, observation: Any) -> NDArray[np.float32]:
        """Give the action for an observation, to the bit as the run's reference controller does.

        Args:
            observation: (inputs,), or (n, inputs) for n at once.

        Returns:
            Actions in [-1, 1], (outputs,) or (n, outputs).

        Raises:
            InputError: the observation has another shape.
        """
        seen = np.asarray(observation, dtype=np.float32)
        inputs = self.controller.sizes[0]
        if seen.ndim not in (1, 2) or seen.shape[-1] != inputs:
            raise InputError(f"the observation has shape {seen.shape}; it must be ({inputs},) or (n, {inputs})")
        if seen.ndim == 1:
            return self._policy(seen)
        thetas = np.broadcast_to(self.theta, (len(seen), self.theta.size))
        return self.controller.policies(thetas)(seen)

    @cached_property
    def _policy(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        return self.controller.policy(self.theta)

    def to_torch(self) -> torch.nn.Sequential:
        """Give the agent as a network of PyTorch's, whose actions are clipped to [-1, 1] where the agent's are.

        It acts the same to about seven digits: PyTorch sums in another order.
        """
        import torch  # noqa: PLC0415 - slow to load
        from safetensors.torch import load  # noqa: PLC0415

        layers: list[torch.nn.Module] = []
        sizes = self.controller.sizes
        for number, (inputs, outputs) in enumerate(pairwise(sizes)):
            kind = self.controller.output if number == len(sizes) - 2 else self.controller.activation
            layers.append(torch.nn.Linear(inputs, outputs))
            if kind != NO_ACTIVATION:
                layers.append(getattr(torch.nn, TORCH_NAMES[kind])())
        network = torch.nn.Sequential(*layers)
        network.load_state_dict(load(agent_bytes(self.controller, self.theta)))
        if self.controller.output not in ("tanh", "sigmoid"):
            network.append(torch.nn.Hardtanh())
        return network

    def save(self, path: Path | str) -> None:
        """Write the agent as safetensors, which `poet evolve --agent` and PyTorch's `load_state_dict` take.

        Raises:
            InputError: the file does not end in .safetensors.
            PlaceError: the file cannot be written there.
        """
        path = Path(path)
        if path.suffix != ".safetensors":
            raise InputError(f"{path} ends in {path.suffix or 'nothing'}; an agent is saved as .safetensors")
        write_aside(path, agent_bytes(self.controller, self.theta))

    def row(self) -> Row:
        """Give a row for a table, without theta."""
        return {"niche": self.niche, "agent": self.id, "controller": str(self.controller), "domain": self.domain}


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptAgent(Agent):
    """A copy of an agent that the archive keeps for good."""

    iteration: int
    origin: str  # why it was kept: initial, admitted, moved in, moved out, checkpoint or retired
    source: int | None  # the niche that it came from, if it moved
    score: float | None  # in its niche, when it was kept

    def row(self) -> Row:
        """Give a row for a table, without theta."""
        kept = {name: getattr(self, name) for name in ("iteration", "origin", "source", "score")}
        return {**super().row(), **kept}


@dataclass(frozen=True, kw_only=True, eq=False)
class Niche:
    """An environment that was admitted, and how its own agents fared in it.

    `score` is the latest of the run's own scores and `best_score` the highest, which is the luckiest; `mean_return`
    and what follows are of the same agent in fresh episodes, None until they are played (`Run.rescore`).

    >>> from poet import Run
    >>> niche = Run.open("runs/first").niches[0]
    >>> niche.id, niche.parent, niche.environment.domain
    (0, None, 'walker2d')
    >>> env = niche.make_env()
    >>> observation, info = env.reset(seed=1)
    >>> env.step(niche.agent.act(observation))[0].shape
    (24,)
    """

    id: int
    environment: Environment
    agent: Agent = field(repr=False)  # the best: whose own score in the run was highest
    parent: int | None  # the id of the niche that it was mutated from
    born: int  # iteration
    retired: int | None  # iteration
    solved: int | None  # iteration at which its own agent first solved it
    injected: bool  # whether a person put it in
    description: str
    difficulty: float | None
    difficulty_level: str | None
    novelty: float | None
    archive_score: float | None  # of any agent there ever was, when it was admitted
    first_agent: int | None  # the niche whose agent it began with
    first_score: float | None
    score: float | None
    best_score: float | None
    best_iteration: int | None
    mean_return: float | None
    return_interval: tuple[float, float] | None  # 95 %
    median_return: float | None
    median_seed: int | None  # with which the median of the fresh episodes can be played again
    fresh_episodes: int | None
    fresh_finished: int | None
    _config: Config = field(repr=False)

    @property
    def active(self) -> bool:
        """Whether an agent still learns in it."""
        return self.retired is None

    def make_env(self, *, render_mode: str | None = None, episode_limit: int | None = None) -> gymnasium.Env:
        """Make the environment as Gymnasium knows it, with the run's limit of steps unless told otherwise."""
        limit = self._config.episode_limit if episode_limit is None else episode_limit
        return self._config.make_domain().make_env(self.environment, render_mode=render_mode, episode_limit=limit)

    def row(self) -> Row:
        """Give a row for a table: numbers and texts, the environment as its content hash, genes by their names."""
        left_out = {"environment", "agent", "_config"}
        row = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in left_out}
        genes = {f"gene.{name}": value for name, value in self.environment.genome.items()}
        return {**row, "environment": self.environment.id, "terrain_seed": self.environment.seed, **genes}


@dataclass(frozen=True, kw_only=True)
class Descent:
    """A niche's place in the family tree."""

    id: int
    parent: int | None
    ancestors: tuple[int, ...]  # from its parent to the first
    children: tuple[int, ...]
    born: int
    retired: int | None
    solved: int | None
    description: str

    def row(self) -> Row:
        """Give a row for a table."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def agents_of(connection: Connection) -> dict[int, Agent]:
    """Give the best agent of every niche."""
    config = read_config(connection)
    controller = config.make_domain().controller
    return {
        number: Agent(niche=number, domain=config.domain, controller=controller, theta=_sealed(found.theta))
        for number, found in best_agents(connection).items()
    }


def kept_agents_of(connection: Connection) -> tuple[KeptAgent, ...]:
    """Give every copy of an agent that the archive keeps, in the order in which they were kept."""
    config = read_config(connection)
    controller = config.make_domain().controller
    return tuple(
        KeptAgent(
            niche=row["niche"],
            domain=config.domain,
            controller=controller,
            theta=_sealed(read_blob(row["theta"]).astype(np.float32)),
            **{name: row[name] for name in ("iteration", "origin", "source", "score")},
        )
        for row in connection.execute("SELECT * FROM agent ORDER BY id")
    )


def _sealed(theta: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep a vector from being written to: an agent and its hash belong together."""
    theta.flags.writeable = False
    return theta


def niches_of(connection: Connection) -> tuple[Niche, ...]:
    """Give every niche, in order of admission."""
    config, agents = read_config(connection), agents_of(connection)
    rows = connection.execute("SELECT * FROM niche ORDER BY id")
    environments = {row["id"]: niche_from(row).environment for row in rows}
    told = {each.name for each in fields(Niche)} - {"environment", "agent", "_config", "return_interval", "injected"}
    return tuple(
        Niche(
            environment=environments[row["id"]],
            agent=agents[row["id"]],
            return_interval=None if row["return_interval"] is None else tuple(row["return_interval"]),
            injected=bool(row.get("injected", False)),
            _config=config,
            **{name: row[name] for name in told},
        )
        for row in inspection.niches(connection)
    )


def descents_of(connection: Connection) -> tuple[Descent, ...]:
    """Give every niche's place in the family tree, oldest first."""
    rows = {row["id"]: row for row in inspection.lineage(connection)}
    ancestors: dict[int, tuple[int, ...]] = {}
    children: dict[int, list[int]] = {number: [] for number in rows}
    for number, row in rows.items():  # parents before children
        parent = row["parent"]
        ancestors[number] = () if parent is None else (parent, *ancestors[parent])
        if parent is not None:
            children[parent].append(number)
    return tuple(_descent(row, ancestors[number], tuple(children[number])) for number, row in rows.items())


def _descent(row: Mapping[str, Any], ancestors: tuple[int, ...], children: tuple[int, ...]) -> Descent:
    told = {name: row[name] for name in ("id", "parent", "born", "retired", "solved", "description")}
    return Descent(ancestors=ancestors, children=children, **told)
