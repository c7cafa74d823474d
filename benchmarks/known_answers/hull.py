"""Holding the hull at an angle that only the reward tells (`meta_learners/families/hull_angle.py`), 100 steps.

The bound is exact: without knowing the angle, of a walker that could stand at any, nobody earns more than half of
100. Who is told it bounds what there is to learn. The figures beside are of an earlier audit of this project, which
tells of the task no more than its name and length; that the reward is at most 1 a step is read off its 89 of 100.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from benchmarks.known_answers.answer import Answer
from meta_learners.experience.sampling import Sampler
from meta_learners.families.hull_angle import HullAngles
from meta_learners.keys import Stream, numpy_generator
from meta_learners.learner import Learner
from meta_learners.registry import make_learner
from meta_learners.training.evaluation import Protocol, adaptation_curve

BLIND_BOUND = 50.0  # of 100 steps
UNTAUGHT = 10**6  # seed of the test's tasks
WORLDS, TEST_TASKS = 10, 50
SHORT_STEPS, SHORT_AIM = 60_000, 30.0  # who never moves a motor earns 29
REPORTED = 20  # meta-steps from report to report
MODES = {"stochastic": "drawn", "deterministic": "likeliest"}  # how actions are chosen
AUDIT = "an earlier audit of this project, whose task is told by its name alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pupil:
    """Who learns, on how much, and what was found before."""

    learner: str
    label: str
    tasks: int  # of a meta-step
    copies: int = 1  # worlds of each
    steps: int = 300_000  # environment steps in all
    played: int  # by a world in a meta-step; the step size goes down to 0 over all of them, where it does
    settings: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[int, float | None]  # by episodes before; None where there is no figure


def _remembering(learner: str, settings: Mapping[str, Any], *, audit: float | None = None) -> Pupil:
    """Give one who learns from whole trials of two episodes."""
    settings = {"episodes": 2, "steps": 0, **settings}
    told = {0: None, 1: audit}
    return Pupil(learner=learner, label=learner, tasks=32, steps=10**6, played=200, settings=settings, audit=told)


PUPILS = {
    "blind": Pupil(learner="ppo", label="ppo, blind", tasks=32, played=128, audit={0: 49.0}),
    "told": Pupil(learner="ppo", label="ppo, told", tasks=32, played=128, audit={0: 89.0}),
    "rl2": _remembering("rl2", {"window": 50}, audit=64.0),
    "transformer": _remembering("transformer", {"window": 0}),
    "varibad": _remembering("varibad", {"observations": False, "beliefs": 16, "inferences": 20, "alone": 20}),
    "promp": Pupil(
        learner="promp",
        label="promp",
        tasks=20,
        copies=10,
        steps=10**6,
        played=0,
        settings={"deviation": 0.6},
        audit={0: 40.0, 1: 61.0, 5: 64.0},
    ),
}


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Learn each, then measure on angles not seen before."""
    if short:
        pupil = replace(PUPILS["told"], steps=SHORT_STEPS)
        found = measured(pupil, taught(pupil, True, seed, device), True, seed, device)["stochastic", 0]
        label = f"hull angle: {pupil.label}, return (more than who lies down)"
        return [Answer(label, found, SHORT_AIM, "higher", 0, "", "computed")]
    return [answer for part in PARTS.values() for answer in part(seed, device)]


def taught(pupil: Pupil, told: bool, seed: int, device: str) -> Learner:
    """Learn for so many environment steps."""
    family = HullAngles(told=told)
    meta_steps = pupil.played and -(-pupil.steps // (pupil.tasks * pupil.copies * pupil.played))
    settings = {**pupil.settings, **({"decay": meta_steps} if meta_steps else {})}
    learner = make_learner(pupil.learner, family, settings, seed=seed, device=device)
    sampler = Sampler(family, pupil.tasks, pupil.copies, device=device)
    step = 0
    while sampler.steps < pupil.steps:
        tasks = family.sample_tasks(pupil.tasks, numpy_generator((seed, step, Stream.TASKS)))
        metrics = learner.meta_step(sampler, tasks, (seed, step))
        if step % REPORTED == 0:
            figures = ", ".join(f"{key} {value:.3g}" for key, value in metrics.items() if key.startswith("return"))
            print(f"{sampler.steps} steps: {figures}", file=sys.stderr, flush=True)
        step += 1
    sampler.close()
    return learner


def measured(pupil: Pupil, learner: Learner, told: bool, seed: int, device: str) -> dict[tuple[str, int], float]:
    """Give mean returns by how actions are chosen and by the episodes before."""
    family, key = HullAngles(told=told), (UNTAUGHT + seed,)
    tasks = family.sample_tasks(TEST_TASKS, numpy_generator((*key, Stream.TASKS)), "test")
    protocol = Protocol(adaptations=tuple(pupil.audit), worlds=WORLDS)
    curves = adaptation_curve(learner, family, tasks, protocol, key, device=device)
    return {
        (mode, before): float(value)
        for mode, curve in curves.items()
        for before, value in zip(pupil.audit, curve.mean(0), strict=True)
    }


def on_angles(kind: str, seed: int, device: str) -> list[Answer]:
    """Answer for one of `PUPILS`."""
    pupil, told, answers = PUPILS[kind], kind == "told", []
    for (mode, before), found in measured(pupil, taught(pupil, told, seed, device), told, seed, device).items():
        what = f"hull angle: {pupil.label}, return after {before} episodes, {MODES[mode]}"
        # Nobody who cannot know the angle earns more than the bound; whoever does is to.
        aim = "higher" if told or before else "beside"
        answers.append(Answer(f"{what} (best without knowing)", found, BLIND_BOUND, aim, 0, "", "computed"))
        if (beside := pupil.audit[before]) is not None:
            answers.append(Answer(what, found, beside, "beside", 0, AUDIT, "second-hand"))
    return answers


PARTS: dict[str, Callable[[int, str], list[Answer]]] = {kind: partial(on_angles, kind) for kind in PUPILS}
