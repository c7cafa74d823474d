"""The paper's control: can ES from scratch solve, directly, what the runs solved by way of other environments?

An agent that starts from N(0, 0.1²) takes as many ES steps in the environment
as the solver's whole line of descent took, the training of the first agent
included, with the same settings (arXiv:1901.01753, section 4.2). A warm control
starts from that first agent instead: whatever it lacks, it is not the luck of
having learned to walk.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.open_endedness.runs import COMMON, FIRST, FIRST_ITERATIONS
from environments.domain import Batch, Environment, Outcome, find_domain
from environments.files import write_aside
from environments.weights import read_agent
from evolution.noise import Stream, keyed_rng
from evolution.optimisers.es import Learner, es_gradient, es_update
from evolution.requests import PerturbationRequest, ScoreRequest, Simulation
from poet.config import Config, build, merge, read_preset

SEEDS = range(100, 105)  # not those of the runs
HARDEST = 3
EPISODES = 10  # that measure how hard an environment is
SLICE = 5  # ES steps between scores, and before it is another control's turn


@dataclass
class Control:
    """One control: where it stands, and what it has scored."""

    run: str
    niche: int
    environment: dict[str, Any]
    seed: int
    wanted: int  # ES steps of the solver's line of descent, after the first agent's where that is the start
    solver_score: float
    steps: int = 0  # ES steps taken
    episodes: int = 0
    simulated: int = 0  # control steps
    scores: list[float] = field(default_factory=list)  # after every SLICE ES steps
    solved: int | None = None  # ES step
    warm: bool = False  # from the agent that all runs started from

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.run}-{self.niche}-{self.seed}{'-warm' * self.warm}"

    @property
    def first_steps(self) -> int:
        """How many of its ES steps are taken as the runs' first agent was trained."""
        return 0 if self.warm else FIRST_ITERATIONS


def hardest(runs: dict[str, Any], agent: Path) -> list[dict[str, Any]]:
    """Pick the environments that were solved and in which the agent that all runs started from does worst."""
    found = []
    for name, run in runs.items():
        domain = find_domain(run["settings"]["domain"])
        theta = read_agent(agent, domain.controller)
        for niche in run["niches"]:
            if niche["solved"] is None or niche["parent"] is None:
                continue
            environment = Environment(**niche["environment"])
            tried = domain.run(
                Batch.of(np.stack([theta] * EPISODES), environment, np.arange(EPISODES, dtype=np.uint64)),
                episode_limit=COMMON["episode_limit"],
            )
            found.append({"run": name, **niche, "first_agent_score": float(tried.returns.mean())})
    found.sort(key=lambda niche: niche["first_agent_score"])
    return found[:HARDEST]


def plan(runs: dict[str, Any], agent: Path, warm: bool = False) -> list[Control]:
    """List the controls of the hardest environments solved: those from scratch, then if asked for the warm ones."""
    chosen = hardest(runs, agent)
    return [
        Control(
            run=niche["run"],
            niche=niche["id"],
            environment=niche["environment"],
            seed=seed,
            wanted=FIRST_ITERATIONS * (not is_warm) + niche["solved"] + 1,
            solver_score=niche["best_score"],
            warm=is_warm,
        )
        for is_warm in (False, True)[: 1 + warm]
        for niche in chosen
        for seed in SEEDS
    ]


def run_all(controls: list[Control], agent: Path, folder: Path, seconds: float) -> list[Control]:
    """Advance whichever control has had least, those from scratch first, until all are done or the time is up."""
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    controls = [_read(control, folder) for control in controls]
    while time.monotonic() < deadline:
        waiting = [control for control in controls if control.steps < control.wanted]
        if not waiting:
            break
        _advance(min(waiting, key=lambda control: (control.warm, control.steps)), agent, folder)
    return controls


def _phase(control: Control) -> Config:
    """Give the settings of the ES step that comes next: first those that trained the runs' first agent."""
    table = merge(read_preset("quick"), FIRST) if control.steps < control.first_steps else COMMON
    return build({**table, "seed": control.seed}, control.name)


def _advance(control: Control, agent: Path, folder: Path) -> None:
    """Take some ES steps and score the agent."""
    environment, path = Environment(**control.environment), folder / f"{control.name}.npz"
    learner = _load(path) if path.exists() else None
    for _ in range(min(SLICE, control.wanted - control.steps)):
        config = _phase(control)
        if learner is None:
            learner = Learner.fresh(_initial(control, config, agent), config.es)
        elif control.steps == control.first_steps:
            learner = Learner.fresh(learner.theta, config.es)
        request = PerturbationRequest(
            simulation=config.simulation(),
            environment=environment,
            theta=learner.theta.astype(np.float32),
            sigma=learner.sigma,
            key=(0, control.steps),
            start=0,
            stop=config.es.pairs,
        )
        tried = request()
        gradient = es_gradient(request.noise(), tried.returns.reshape(-1, 2), learner.sigma)
        learner = es_update(learner, gradient, config.es)
        control.steps += 1
        control.episodes += len(tried.returns)
        control.simulated += int(tried.lengths.sum())
    assert learner is not None
    _score(control, learner, environment)
    _save(path, learner)
    _write(folder / f"{control.name}.json", control)


def _score(control: Control, learner: Learner, environment: Environment) -> None:
    tried = ScoreRequest(
        simulation=Simulation(domain=environment.domain, seed=control.seed, episode_limit=COMMON["episode_limit"]),
        environment=environment,
        theta=learner.theta.astype(np.float32),
        key=(1, control.steps),
        start=0,
        stop=COMMON["score_episodes"],
    )()
    score = float(tried.returns.mean())
    control.scores.append(score)
    finished = tried.count(Outcome.FINISHED) == len(tried.returns)
    if finished and score >= find_domain(environment.domain).solved_return and control.solved is None:
        control.solved = control.steps


def _initial(control: Control, config: Config, agent: Path) -> NDArray[np.float64]:
    controller = find_domain(config.domain).controller
    if control.warm:
        return read_agent(agent, controller).astype(np.float64)
    return controller.initial_theta(keyed_rng(config.seed, Stream.INITIAL_THETA))


def _read(control: Control, folder: Path) -> Control:
    path = folder / f"{control.name}.json"
    return (
        Control(**{**json.loads(path.read_text(encoding="utf-8")), "wanted": control.wanted})
        if path.exists()
        else control
    )


def _write(path: Path, control: Control) -> None:
    write_aside(path, json.dumps(asdict(control)).encode())


def _load(path: Path) -> Learner:
    with np.load(path) as file:
        moments = (file["theta"], file["first_moment"], file["second_moment"])
        return Learner(*moments, int(file["updates"]), float(file["step_size"]), float(file["sigma"]))


def _save(path: Path, learner: Learner) -> None:
    content = io.BytesIO()
    np.savez(content, **{name: getattr(learner, name) for name in Learner.__dataclass_fields__})
    write_aside(path, content.getvalue())
