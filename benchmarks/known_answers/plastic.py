"""Learners whose synapses change: recall of patterns, the delta rule found anew, and an LSTM that learns few-shot.

| problem | what is known |
|---|---|
| 5 patterns of 1,000 bits or 2 of 50, half of a query erased (arXiv:1804.02464, section 4.1) | Hopfield's rule: 0 % |
| linear regression by a parametric rule, shown 10 examples 10 times | the delta rule, tuned, is one of its rules |
| sinusoids from 5 points (arXiv:1703.03400) by the meta-LSTM | 3.006 without a look; MAML .686 (remembered) |
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import UNTAUGHT, measured, taught
from benchmarks.known_answers.sinusoid import PUBLISHED, task_blind_error
from meta_learners.episodes import EpisodeFamily
from meta_learners.keys import Stream
from meta_learners.learner import FewShotLearner
from meta_learners.registry import make_family

PASSES = 10  # of the regression's examples
RATES = tuple(float(10 ** (power / 12)) for power in range(-36, 0))
SMALL, LARGE = {"shots": 2, "bits": 50}, {"shots": 5, "bits": 1000}
WRONG = 0.01  # of the bits, at most
RECALL = {"width": 0, "bounded": True, "step_size": 0.01}
# Of bits, fewer examples are shown and none are alike: what is recalled may be as large as the paper has it.
RATE = {"fast-weights": {"rate": 0.5}}
META_LSTM = {"hidden": [20], "step_size": 0.01, "first_rate": 0.05}
MICONI = "Hopfield's rule; Miconi et al. 2018, arXiv:1804.02464, give curves"


def run(*, short: bool, seed: int, device: str) -> list[Answer]:
    """Train each, and measure on tasks never seen."""
    if short:
        return [*_recall("plasticity", SMALL, 150, seed, device), _regression(60, seed, device)]
    return [each for part in PARTS.values() for each in part(seed, device)]


def _recalls(seed: int, device: str) -> list[Answer]:
    answers = _recall("plasticity", SMALL, 300, seed, device) + _recall("plasticity", LARGE, 40, seed, device)
    for name in ("fast-weight-programmer", "fast-weights"):
        answers += _recall(name, SMALL, 600, seed, device, beside=True)
    return answers


def _sinusoids(seed: int, device: str) -> list[Answer]:
    family = make_family("sinusoids")
    learner = taught("meta-lstm", family, META_LSTM, steps=1000, tasks=16, seed=seed, device=device)
    error = measured(learner, family, "error", tasks=1000)["meta-lstm"]
    name, source = "plastic: sinusoids from 5 points, meta-lstm, error", "Park and Oliva 2019, arXiv:1902.03356"
    return [
        Answer(f"{name} (without a look)", error, task_blind_error(), "lower", 0, "", "computed"),
        Answer(f"{name} (MAML)", error, PUBLISHED["maml", 5], "beside", 0, source, "remembered"),
    ]


def _recall(
    name: str, size: dict[str, int], steps: int, seed: int, device: str, *, beside: bool = False
) -> list[Answer]:
    """Recall by a trained learner, the untrained beside; it counts as learned only where the untrained cannot do it."""
    family, settings = make_family("recall", size), {**RECALL, **RATE.get(name, {})}
    before, after = (
        share_wrong(taught(name, family, settings, steps=number, tasks=16, seed=seed, device=device), family)
        for number in (0, steps)
    )
    label = f"plastic: {name}, {size['shots']} patterns of {size['bits']} bits, share wrong"
    untrained = Answer(f"{label} (untrained)", after, before, "beside", 0, "", "computed")
    if beside or before <= WRONG:
        return [Answer(label, after, 0.0, "beside", 0, MICONI, "computed"), untrained]
    return [Answer(label, after, WRONG, "lower", 0, MICONI, "computed"), untrained]


def share_wrong(learner: FewShotLearner, family: EpisodeFamily, tasks: int = 100) -> float:
    """Say how many bits of the queries a learner tells wrongly."""
    batch = family.draw(tasks, "test", (UNTAUGHT, Stream.TASKS))
    told = learner.predict(batch, (UNTAUGHT,)).mean.cpu()  # type: ignore[union-attr]
    return float((told.sign() != batch.query.targets).float().mean())


def _regression(steps: int, seed: int, device: str) -> Answer:
    family = make_family("quadratics")
    settings = {"width": 0, "passes": PASSES, "step_size": 0.003}
    learner = taught("parametric-rule", family, settings, steps=steps, tasks=32, seed=seed, device=device)
    error = measured(learner, family, "error", tasks=1000)["parametric-rule"]
    rate = min(RATES, key=lambda rate: delta_rule(family, rate, (seed, Stream.BATCHES), "train"))
    best = delta_rule(family, rate, (UNTAUGHT, Stream.TASKS), "test")
    return Answer("plastic: parametric-rule, regression, error (delta rule, tuned)", error, 1.05 * best, "lower")


def delta_rule(family: EpisodeFamily, rate: float, key: tuple[int, ...], split: str) -> float:
    """Give the mean square error that the delta rule of a rate comes to."""
    batch = family.draw(1000, split, key)
    inputs, targets = batch.support.inputs.numpy(), batch.support.targets.numpy()
    synapses = np.zeros((len(inputs), inputs.shape[2], targets.shape[2]))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(PASSES):
            for x, y in zip(inputs.swapaxes(0, 1), targets.swapaxes(0, 1), strict=True):
                synapses += rate * x[:, :, None] * (y - np.einsum("mf,mfo->mo", x, synapses))[:, None]
        error = float(np.square(batch.query.inputs.numpy() @ synapses - batch.query.targets.numpy()).mean())
    return error if np.isfinite(error) else np.inf


PARTS: dict[str, Callable[[int, str], list[Answer]]] = {
    "recall": _recalls,
    "regression": lambda seed, device: [_regression(600, seed, device)],
    "sinusoids": _sinusoids,
}
