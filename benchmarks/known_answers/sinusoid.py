"""Regression of sinusoids from 5 or 10 points: MAML, Meta-SGD, Meta-Curvature, T-Net, MT-net and iMAML.

The problem of Finn et al. 2017 (arXiv:1703.03400, section 5.1), beside the
errors of MAML and Meta-SGD in Meta-Curvature's table (Park and Oliva 2019,
arXiv:1902.03356), which is of these sinusoids, and beside what can be computed
exactly: the error of predicting zero, and of the best prediction that does not
know the task. The errors of Li et al. 2017 (arXiv:1707.09835: 1.13 and 0.90 of
5 points) are not comparable: their sinusoids also vary in frequency.

T-Net and MT-net have the budget of their paper (Lee and Choi 2018, arXiv:1801.05558): 60,000 meta-steps of 4 tasks, the
least of its three inner rates. Of iMAML on sinusoids nothing was published; it has a seventh of MAML's meta-steps, each
of which takes it nine times as long.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import measured, taught
from meta_learners.gradient.bilevel import Inner
from meta_learners.gradient.supervised import Examples, SupervisedLearner
from meta_learners.keys import Key, Stream, torch_generator
from meta_learners.networks.policies import Network
from meta_learners.registry import make_family

AMPLITUDES, PHASES, INPUTS = (0.1, 5.0), (0.0, math.pi), (-5.0, 5.0)
TASKS = 25  # a meta-step
ITERATIONS, SHORT_ITERATIONS = 70_000, 2_000
TEST_TASKS, TEST_POINTS, TEST_STEPS = 2_000, 100, 10
NETWORK = Network((1, 40, 40, 1), activation="relu")
# Quoted from memory, not read again in the paper.
PAPER = "Park and Oliva 2019, arXiv:1902.03356"
PUBLISHED = {
    ("maml", 5): 0.686,
    ("meta-sgd", 5): 0.482,
    ("maml", 10): 0.435,
    ("meta-sgd", 10): 0.258,
    ("meta-curvature", 5): 0.405,
    ("meta-curvature", 10): 0.201,
    ("mt-net", 5): 0.76,
    ("mt-net", 10): 0.49,
}
PAPERS = {"mt-net": "Lee and Choi 2018, arXiv:1801.05558"}  # of those that `PAPER` does not have
# Meta-steps, of so many tasks.
GIVEN = {"t-net": (60_000, 4), "mt-net": (60_000, 4), "imaml": (5_000, TASKS), "warpgrad": (3_000, TASKS)}
# Beside the defaults. The meta-gradient is of the end of adapting, so inner steps have to come near to it: held closer,
# the loss bends less beside the proximal term.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "imaml": {"proximity": 8.0, "inner_rate": 0.02, "inner_steps": 32, "conjugate_steps": 8}
}


def zero_error() -> float:
    """Mean square error of predicting 0: E[A²] / 2, since sin² averages to 1/2 over the phases."""
    low, high = AMPLITUDES
    return (high**3 - low**3) / (3 * (high - low)) / 2


def task_blind_error() -> float:
    """Mean square error of the mean over tasks, E[A] · (-2 cos x / pi): the best without a look at the task."""
    mean_amplitude, far = sum(AMPLITUDES) / 2, INPUTS[1]
    mean_square_cosine = 0.5 + math.sin(2 * far) / (4 * far)
    return zero_error() - (mean_amplitude * 2 / math.pi) ** 2 * mean_square_cosine


def draw(key: Key, tasks: int, sizes: tuple[int, ...], device: str = "cpu") -> list[Examples]:
    """Draw tasks, and as many sets of examples of each as there are sizes."""
    generator = torch_generator(key)

    def uniform(ends: tuple[float, float], *shape: int) -> torch.Tensor:
        return ends[0] + (ends[1] - ends[0]) * torch.rand(*shape, generator=generator)

    amplitude, phase = uniform(AMPLITUDES, tasks, 1, 1), uniform(PHASES, tasks, 1, 1)
    inputs = uniform(INPUTS, tasks, sum(sizes), 1)
    targets = amplitude * torch.sin(inputs - phase)
    pieces = zip(inputs.split(list(sizes), 1), targets.split(list(sizes), 1), strict=True)
    return [Examples(one.to(device), other.to(device)) for one, other in pieces]


def learner(name: str, seed: int, device: str = "cpu") -> SupervisedLearner:
    """Make the learner called so, with the published settings; Reptile descends plainly inside."""
    inner = {
        "maml": Inner(rate=0.01),
        "fomaml": Inner(rate=0.01, second_order=False),
        "anil": Inner(rate=0.01, adapted=NETWORK.last_layer),
        "meta-sgd": Inner(rate=0.01, learned_rates=True),
        "meta-curvature": Inner(rate=0.01, curvature=True),
        "reptile": Inner(rate=0.01, steps=5),
    }[name]
    initial = NETWORK.initial(torch_generator((seed, Stream.PARAMETERS)))
    reptile = name == "reptile"
    return SupervisedLearner(
        NETWORK, initial, inner, meta_rate=0.1 if reptile else 1e-3, reptile=reptile, device=device
    )


def train(
    name: str, shots: int, iterations: int, seed: int, device: str = "cpu", report: Callable[[int], None] | None = None
) -> SupervisedLearner:
    """Meta-train on fresh tasks, as many points for the outer loss as for the inner."""
    subject = learner(name, seed, device)
    inner_steps = 5 if name == "reptile" else 1
    for iteration in range(iterations):
        support, query = draw((seed, iteration, Stream.BATCHES), TASKS, (shots, shots), device)
        subject.meta_step([support] * inner_steps, query)
        if report is not None:
            report(iteration)
    return subject


def errors(subject: SupervisedLearner, shots: int, device: str = "cpu") -> list[float]:
    """Mean square error after 0, 1, ..., 10 steps, over test tasks that are the same for all."""
    support, query = draw((10**6, Stream.TASKS), TEST_TASKS, (shots, TEST_POINTS), device)
    return subject.curve(support, query, TEST_STEPS).mean(0).tolist()


def run(*, short: bool, seed: int, device: str = "cpu") -> list[Answer]:
    """Measure: in full against the published errors, which are of one step; in short against the exact anchors."""
    if not short:
        return [answer for part in PARTS.values() for answer in part(seed, device)]
    answers = _exact(seed, device)
    for name in ("maml", "meta-sgd"):
        answers.append(blind_to(name, 10, errors(train(name, 10, SHORT_ITERATIONS, seed, device), 10, device)[1]))
    return answers


def _exact(seed: int, device: str) -> list[Answer]:
    """Measure the two that know no task, beside what they must be."""
    (examples,) = draw((seed, Stream.TASKS), 20_000, (TEST_POINTS,))
    blind = -sum(AMPLITUDES) / math.pi * examples.inputs.cos()
    return [
        Answer(
            "sinusoid: predicting zero",
            examples.targets.square().mean().item(),
            zero_error(),
            "equal",
            0.1,
            "",
            "computed",
        ),
        Answer(
            "sinusoid: predicting the mean of all tasks",
            (examples.targets - blind).square().mean().item(),
            task_blind_error(),
            "equal",
            0.1,
            "",
            "computed",
        ),
    ]


def of(name: str, shots: int, seed: int, device: str) -> list[Answer]:
    """Train one with its whole budget, beside the published error."""
    return [published(name, shots, errors(train(name, shots, ITERATIONS, seed, device), shots, device)[1])]


def of_given(name: str, shots: int, seed: int, device: str) -> list[Answer]:
    """Train one that is given examples, by its defaults, of T-Net and MT-net the published settings, or by ours."""
    steps, tasks = GIVEN[name]
    family = make_family("sinusoids", {"shots": shots, "queries": shots})
    learner = taught(name, family, SETTINGS.get(name, {}), steps=steps, tasks=tasks, seed=seed, device=device)
    test = make_family("sinusoids", {"shots": shots, "queries": TEST_POINTS})
    error = measured(learner, test, "error", tasks=TEST_TASKS)[name]
    if (name, shots) in PUBLISHED:
        return [published(name, shots, error)]
    told = f"sinusoid, {shots} shots: {name}, error after adapting"
    return [Answer(f"{told} (MAML's published)", error, PUBLISHED["maml", shots], "beside", 0, PAPER, "remembered")]


def published(name: str, shots: int, error: float) -> Answer:
    """Lay an error after one step beside the published one."""
    return Answer(_named(name, shots), error, PUBLISHED[name, shots], "lower", 0, PAPERS.get(name, PAPER), "remembered")


def blind_to(name: str, shots: int, error: float) -> Answer:
    """Lay it beside that of who tells the mean of all tasks."""
    return Answer(f"{_named(name, shots)} (without a look)", error, task_blind_error(), "lower", 0, "", "computed")


def _named(name: str, shots: int) -> str:
    return f"sinusoid, {shots} shots: {name}, error after 1 step"


PARTS: Mapping[str, Callable[[int, str], list[Answer]]] = {
    "exact": _exact,
    **{
        f"{name}-{shots}": partial(of_given if name in GIVEN else of, name, shots)
        for shots in (5, 10)
        for name in ("maml", "meta-sgd", "meta-curvature", *GIVEN)
    },
}


def main() -> None:
    """Print the whole error curve of one learner, for a person."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("learner", choices=["maml", "fomaml", "anil", "reptile", "meta-sgd", "meta-curvature"])
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    subject = train(options.learner, options.shots, options.iterations, options.seed)
    curve = errors(subject, options.shots)
    print(json.dumps({**vars(options), "errors": [round(each, 4) for each in curve]}))


if __name__ == "__main__":
    main()
