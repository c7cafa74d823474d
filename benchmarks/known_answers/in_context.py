"""SNAIL, the transformer and VariBAD where RL² has a known answer: bandits, random MDPs, and a goal to be found.

Bandits of 10 pulls beside the exact optimum, with 5, 10 and 50 arms. The MDPs are those of `mdps.py`. In navigation a
trial is two episodes of 100 steps; the reward tells how far the goal is, so who remembers goes straight there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks.known_answers import bandits, mdps, navigation
from benchmarks.known_answers.answer import Answer, Better
from benchmarks.known_answers.trials import Effort, learn, trial_returns
from meta_learners.families.bandits import BernoulliBandits
from meta_learners.families.mdps import TabularMDPs
from meta_learners.families.navigation import LONGEST_MOVE, Navigation

SMALL: Mapping[str, Any] = {"steps": 0, "window": 0, "trace": 0.3, "entropy": 0.01, "reward_scale": 1.0, "epochs": 4}
SIZES: Mapping[str, Mapping[str, Any]] = {
    "snail": {"filters": 16, "keys": 16},
    "transformer": {"size": 32, "layers": 2, "heads": 2, "context": 0},
    # Tasks differ in rewards alone, so next observations are not told.
    "varibad": {"units": 32, "hidden": 32, "observations": False, "beliefs": 16, "inferences": 20, "alone": 20},
}
# Of the MDPs. What was done where is one of 50 choices: 16 numbers of small weights mix it, 64 of larger ones do not.
# Attention looks it up, and convolutions need only reach what belongs together.
SIZES_MDPS: Mapping[str, Mapping[str, Any]] = {
    "snail": {"width": 64, "gain": 3.0, "keys": 64, "rounds": 1, "reach": 4},
    "transformer": {"size": 64, "gain": 3.0},
}
SIZES_BANDITS: Mapping[tuple[str, int], Mapping[str, Any]] = {
    ("snail", 50): {"width": 64, "gain": 3.0},  # as above
    ("varibad", 5): {"told": 10, "beliefs": 11, "memory": 20},  # trials have ten steps
}
# By arms: the exact optimum, and what the paper reports. Ten pulls reach ten arms at most, so more are worth no more.
PUBLISHED = {5: (6.6600, 6.6), 10: (6.7140, 6.7), 50: (6.7140, 6.7)}
SHORT_AIM = 5.3  # of 5 arms, where pulling at random brings 5
MISHRA = "Mishra et al. 2018, arXiv:1707.03141, of SNAIL"
RL2_MDPS = 155.3  # here, after 160 meta-steps (`mdps.py`)
RL2_AIMED: Mapping[str, Better] = {"snail": "higher", "transformer": "beside"}
SNAIL_MDPS = 159.1  # 156.2 / .752 x .766, by the shares of the optimum that the paper gives


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Learn each, then measure on tasks not seen before."""
    if short:
        return on_bandits("snail", 5, Effort(iterations=25, trials=256, tested=5000), seed, device, SHORT_AIM)
    return [answer for part in PARTS.values() for answer in part(seed, device)]


def shared(name: str, reflex: int) -> dict[str, Any]:
    """Give what a learner is run with everywhere; VariBAD's heads always read the observation."""
    return {**SMALL, **SIZES[name], **({} if name == "varibad" else {"reflex": reflex})}


def on_bandits(name: str, arms: int, effort: Effort, seed: int, device: str, aim: float | None = None) -> list[Answer]:
    """Measure 10 pulls."""
    family = BernoulliBandits(arms, bandits.PULLS)
    step_size = 3e-3 if aim else 1e-3
    settings = {
        **shared(name, reflex=0),
        **SIZES_BANDITS.get((name, arms), {}),
        "episodes": 1,
        "minibatches": 4,
        "step_size": step_size,
        "decay": effort.iterations,
    }
    learner = learn(family, settings, effort, seed, device, name)
    found = float(trial_returns(family, learner, 1, effort.tested, (bandits.UNTAUGHT + seed,)).mean())
    label = f"bandits, {arms} arms: {name}, mean reward of 10 pulls"
    optimum, published = PUBLISHED[arms]
    if aim:
        return [Answer(f"{label} (more than at random)", found, aim, "higher", 0, "", "computed")]
    answers = [Answer(label, found, published, "beside", 0, MISHRA, "remembered")]
    return [*answers, Answer(f"{label} (97% of Bayes)", found, 0.97 * optimum, "higher", 0, "", "computed")]


def on_mdps(name: str, effort: Effort, seed: int, device: str) -> list[Answer]:
    """Measure 10 episodes of 10 steps."""
    family = TabularMDPs()
    settings = {**shared(name, reflex=0), **SIZES_MDPS[name], "products": True, "episodes": mdps.EPISODES}
    settings |= {"discount": 0.5, "epochs": 2, "reward_scale": 0.3, "minibatches": 4, "entropy": 0.02}
    settings |= {"step_size": 3e-3, "decay": effort.iterations}
    learner = learn(family, settings, effort, seed, device, name)
    found = float(trial_returns(family, learner, mdps.EPISODES, effort.tested, (mdps.UNTAUGHT + seed,)).mean())
    label = f"mdps: {name}, reward of 10 episodes"
    return [
        Answer(f"{label} (PSRL)", found, 138.1, "higher", 0, "Duan et al. 2016, arXiv:1611.02779", "second-hand"),
        Answer(f"{label} (RL² after 160 meta-steps)", found, RL2_MDPS, RL2_AIMED[name], 0, "", "computed"),
        Answer(label, found, SNAIL_MDPS, "beside", 0, f"by the shares of the optimum in {MISHRA}", "second-hand"),
    ]


def on_navigation(name: str, effort: Effort, seed: int, device: str) -> list[Answer]:
    """Measure the second of two episodes of one trial."""
    family = Navigation()
    settings = {**shared(name, reflex=32), "episodes": 2, "deviation": LONGEST_MOVE, "trace": 0.9}
    settings |= {"entropy": 0.0, "discount": 0.9, "minibatches": 8, "step_size": 1e-3, "decay": effort.iterations}
    learner = learn(family, settings, effort, seed, device, name)
    returns = trial_returns(family, learner, 2, effort.tested, (bandits.UNTAUGHT + seed,), each=True)
    found = float(returns[:, 1].mean())
    label = f"navigation: {name}, return of the second episode"
    return [
        Answer(f"{label} (standing still)", found, navigation.still_return(), "higher", 0, "", "computed"),
        Answer(f"{label} (straight to the goal)", found, navigation.oracle_return(), "beside", 0, "", "computed"),
    ]


def _parts() -> dict[str, Callable[[int, str], list[Answer]]]:
    """Give the long form's parts by name; each takes a seed and a device."""
    parts: dict[str, Callable[[int, str], list[Answer]]] = {}
    for name, arms, iterations, trials in (
        ("snail", 5, 300, 512),
        ("snail", 10, 300, 512),
        ("snail", 50, 300, 512),
        ("transformer", 5, 300, 512),
        ("varibad", 5, 300, 512),
    ):
        effort = Effort(iterations=iterations, trials=trials, tested=20_000)
        parts[f"{name}-bandits-{arms}"] = partial(on_bandits, name, arms, effort)
    for name in SIZES:
        parts[f"{name}-navigation"] = partial(on_navigation, name, Effort(iterations=150, trials=64, tested=400))
    for name, iterations in (("snail", 320), ("transformer", 160)):
        parts[f"{name}-mdps"] = partial(on_mdps, name, Effort(iterations=iterations, trials=400, tested=4000))
    return parts


PARTS = _parts()
