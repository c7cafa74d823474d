"""What every family of examples and every few-shot learner promises, as checks that their authors run.

    from meta_learners.few_shot_contracts import episodes_contract, few_shot_contract

    TestMyTasks = episodes_contract(lambda: MyTasks())
    TestMyLearner = few_shot_contract(lambda family: make_few_shot("mine", family, {"width": 8}))

They are used as those of `meta_learners.contracts` are. A learner that must look at the order of the support, or at
which number a class has, says so; all else is asked of all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from environments.contracts import expect, refuses
from meta_learners.contracts import differing, equal, through_a_file
from meta_learners.episodes import EpisodeFamily, Examples, Published, TaskBatch
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import FewShotLearner, LossError, Metrics, State
from meta_learners.predictions import Logits, Numbers, Prediction

__all__ = ["Blobs", "EpisodesContract", "FewShotContract", "Lines", "episodes_contract", "few_shot_contract"]

TASKS = 3
RELATIVE, ABSOLUTE = 2e-3, 2e-4  # what is taken for equal: sums in another order round otherwise


class EpisodesContract:
    """What every `meta_learners.episodes.EpisodeFamily` promises; see `episodes_contract`."""

    make: ClassVar[staticmethod[[], EpisodeFamily]]

    def test_its_figures_can_be_meant(self) -> None:
        family = self.make()
        expect(isinstance(family.name, str) and family.name != "", "a name", repr(family.name))
        expect(len(family.splits) > 0, "a split at least", family.splits)
        expect(len(family.input_shape) in (1, 2, 3), "inputs of 1 to 3 dimensions", family.input_shape)
        expect(family.ways is None or family.ways >= 2, "2 ways or more, or None", family.ways)

    def test_tasks_have_the_shapes_that_the_family_says(self) -> None:
        family = self.make()
        for split in family.splits:
            batch = family.draw(TASKS, split, (1,))
            if not (isinstance(family, Published) and family.published(split)):  # those have ways of their own
                expect(batch.ways == family.ways, f"{family.ways} ways", batch.ways)
            for half in (batch.support, batch.query):
                shape = tuple(half.inputs.shape)
                expect(
                    shape[0] == TASKS and shape[2:] == family.input_shape,
                    f"inputs ({TASKS}, K, *{family.input_shape})",
                    shape,
                )
                expect(half.inputs.dtype == torch.float32, "inputs of float32", half.inputs.dtype)
                wanted = shape[:2] if family.ways is not None else (*shape[:2], family.target_size)
                expect(tuple(half.targets.shape) == wanted, f"targets {wanted}", tuple(half.targets.shape))
                kind = torch.float32 if family.ways is None else torch.int64
                expect(half.targets.dtype == kind, f"targets of {kind}", half.targets.dtype)
                finite = bool(half.inputs.isfinite().all() and half.targets.isfinite().all())
                expect(finite, "finite examples", half)

    def test_every_class_of_a_task_has_an_example_to_learn_from(self) -> None:
        family = self.make()
        batch = family.draw(TASKS, family.splits[0], (2,))
        if batch.ways is None:
            return
        for known, asked in zip(batch.support.targets, batch.query.targets, strict=True):
            expect(set(known.tolist()) == set(range(batch.ways)), f"classes 0 to {batch.ways - 1}", known)
            expect(set(asked.tolist()) <= set(known.tolist()), "queries of classes that are known", asked)

    def test_equal_keys_give_equal_tasks_and_others_give_others(self) -> None:
        family, split = self.make(), self.make().splits[0]
        first, again, other = (
            each.draw(TASKS, split, key) for each, key in ((family, (3,)), (self.make(), (3,)), (family, (4,)))
        )
        expect(_same(first, again), "the same tasks of equal keys", "others")
        expect(not _same(first, other), "other tasks of another key", "the same")

    def test_a_split_that_is_not_there_is_refused(self) -> None:
        refuses(lambda: self.make().draw(1, "no-such", (0,)), "a split that is not there", "no-such")


class FewShotContract:
    """What every `meta_learners.learner.FewShotLearner` promises; see `few_shot_contract`."""

    make: ClassVar[staticmethod[[EpisodeFamily], FewShotLearner]]
    family: ClassVar[EpisodeFamily]
    ordered: ClassVar[bool]
    numbered: ClassVar[bool]

    def test_a_step_tells_finite_figures_and_changes_the_learner(self) -> None:
        learner, metrics = self._taught(1)
        sound = len(metrics) > 0 and all(torch.tensor(value).isfinite() for value in metrics.values())
        expect(sound, "named figures that are finite", metrics)
        expect(not equal(self.make(self.family).state(), learner.state()), "another state", "the same")

    def test_predictions_are_of_the_queries(self) -> None:
        learner, batch = self._taught(1)[0], self._batch(9)
        found = learner.predict(batch, (5,))
        kind = Logits if batch.ways is not None else Numbers
        expect(isinstance(found, kind), f"{kind.__name__}", type(found).__name__)
        last = batch.ways if batch.ways is not None else batch.query.targets.shape[-1]
        wanted = (*batch.query.inputs.shape[:2], last)
        expect(found.sizes == wanted, f"a prediction of sizes {wanted}", found.sizes)
        expect(all(bool(each.isfinite().all()) for each in _numbers(found)), "finite predictions", found)

    def test_equal_keys_give_equal_learners_and_predictions(self) -> None:
        first, wanted = self._taught(2)
        second, came = self._taught(2)
        expect(wanted == came, f"the same figures from the same keys, {wanted}", came)
        expect(equal(first.state(), second.state()), "the same state from the same keys", differing(first, second))
        told, again = (each.predict(self._batch(9), (5,)) for each in (first, second))
        expect(_alike(told, again), "the same predictions from the same key", "others")

    def test_the_queries_targets_never_change_a_prediction(self) -> None:
        learner, batch = self._taught(1)[0], self._batch(9)
        targets = (batch.query.targets + 1) % batch.ways if batch.ways is not None else -3 * batch.query.targets + 1
        other = replace(batch, query=replace(batch.query, targets=targets))
        same = _alike(learner.predict(batch, (5,)), learner.predict(other, (5,)))
        expect(same, "the same predictions with other targets of the queries", "others")

    def test_what_else_is_asked_does_not_change_a_prediction(self) -> None:
        learner, batch = self._taught(1)[0], self._batch(9)
        some = batch.query.inputs.shape[1] // 2
        fewer = replace(batch, query=Examples(batch.query.inputs[:, :some], batch.query.targets[:, :some]))
        found = [each[..., :some, :] for each in _numbers(learner.predict(batch, (5,)))]
        expect(_close(found, _numbers(learner.predict(fewer, (5,)))), "the same predictions of fewer queries", "others")

    def test_other_tasks_of_a_batch_do_not_change_a_prediction(self) -> None:
        learner, batch = self._taught(1)[0], self._batch(9)
        turned = _halves(batch, lambda each: Examples(each.inputs[[0, 2, 1]], each.targets[[0, 2, 1]]))
        found, other = (_numbers(learner.predict(each, (5,))) for each in (batch, turned))
        # Chances are drawn by place, so only the first task has the same ones.
        same = _close([_first_task(each) for each in found], [_first_task(each) for each in other])
        expect(same, "the first task's predictions as they were beside others", "others")

    def test_the_order_of_the_support_makes_no_difference(self) -> None:
        if self.ordered:
            return
        learner, batch = self._taught(1)[0], self._batch(9)
        order = torch.randperm(batch.support.inputs.shape[1], generator=torch_generator((8,)))
        support = Examples(batch.support.inputs[:, order], batch.support.targets[:, order])
        found, other = (learner.predict(each, (5,)) for each in (batch, replace(batch, support=support)))
        expect(_close(_numbers(found), _numbers(other)), "the same predictions of another order", "others")

    def test_other_numbers_of_the_classes_turn_the_predictions_alike(self) -> None:
        batch = self._batch(9)
        if self.numbered or batch.ways is None:
            return
        learner, turn = self._taught(1)[0], torch.arange(batch.ways).roll(1)
        targets = turn[batch.support.targets]
        found, other = (
            learner.predict(each, (5,))
            for each in (batch, replace(batch, support=replace(batch.support, targets=targets)))
        )
        turned = [each[..., turn] for each in _numbers(other)]
        expect(_close(_numbers(found), turned), "predictions that turn with the numbers of the classes", "others")

    def test_an_example_that_is_not_there_changes_nothing(self) -> None:
        learner, batch = self._taught(1)[0], self._batch(9)
        support = batch.support
        more = Examples(
            torch.cat([support.inputs, torch.full_like(support.inputs[:, :2], 1e6)], 1),
            torch.cat([support.targets, support.targets[:, :2]], 1),
            torch.cat([support.present, torch.zeros_like(support.present[:, :2])], 1),
        )
        found, other = (learner.predict(each, (5,)) for each in (batch, replace(batch, support=more)))
        expect(_close(_numbers(found), _numbers(other)), "the same predictions with examples that are masked", "others")

    def test_what_a_query_that_is_not_there_holds_makes_no_difference(self) -> None:
        batch, figures = self._batch(9), []
        query = batch.query
        for held in (0.0, torch.nan):
            more = Examples(
                torch.cat([query.inputs, torch.full_like(query.inputs[:, :2], held)], 1),
                torch.cat([query.targets, query.targets[:, :2]], 1),
                torch.cat([query.present, torch.zeros_like(query.present[:, :2])], 1),
            )
            figures.append(self.make(self.family).meta_step(replace(batch, query=more), (0, 7)))
        expect(figures[0] == figures[1], f"figures of {figures[0]} whatever masked queries hold", figures[1])

    def test_predicting_leaves_the_learner_as_it_is(self) -> None:
        learner = self._taught(1)[0]
        before = copy.deepcopy(learner.state())
        learner.predict(self._batch(9), (5,))
        expect(equal(before, learner.state()), "the learner as it was", differing(learner, before))

    def test_a_learner_that_loads_a_state_goes_on_to_the_same_bits(self) -> None:
        unbroken, _ = self._taught(2)
        kept = through_a_file(unbroken.state())
        before = copy.deepcopy(kept)
        wanted = self._teach(unbroken, range(2, 4))
        resumed = self.make(self.family)
        resumed.load(kept)
        came = self._teach(resumed, range(2, 4))
        expect(wanted == came, f"the figures of a learner that never stopped, {wanted}", came)
        expect(equal(unbroken.state(), resumed.state()), "its state too", differing(unbroken, resumed))
        expect(equal(before, kept), "the state that was given as it was", "another")

    def test_what_is_not_finite_is_told_and_changes_nothing(self) -> None:
        learner = self._taught(1)[0]
        before, batch = copy.deepcopy(learner.state()), self._batch(9)
        broken = _halves(batch, lambda each: replace(each, inputs=torch.full_like(each.inputs, torch.nan)))
        try:
            learner.meta_step(broken, (0, 7))
        except LossError:
            expect(equal(before, learner.state()), "the learner as it was before the step that failed", "another")
        else:
            expect(False, "a LossError from inputs that are not numbers", "a step")

    def test_states_of_other_learners_are_refused(self) -> None:
        learner = self._taught(1)[0]
        state = learner.state()
        before = copy.deepcopy(state)
        for name in state.tensors:
            fewer = State({other: each for other, each in state.tensors.items() if other != name}, state.facts)
            longer = State({**state.tensors, name: torch.zeros(3, 3, 3, 5, 7)}, state.facts)
            for broken, what in (
                (fewer, f"a state without {name}"),
                (longer, f"a state whose {name} has another shape"),
            ):
                refuses(partial(learner.load, broken), what, "")
        expect(equal(before, learner.state()), "the learner as it was before the states were refused", "another")

    def _batch(self, number: int) -> TaskBatch:
        return self.family.draw(TASKS, self.family.splits[0], (0, number, Stream.BATCHES))

    def _teach(self, learner: FewShotLearner, numbers: range) -> Metrics:
        metrics: Metrics = {}
        with _one_thread():
            for number in numbers:
                metrics = learner.meta_step(self._batch(number), (0, number))
        return metrics

    def _taught(self, steps: int) -> tuple[FewShotLearner, Metrics]:
        learner = self.make(self.family)
        return learner, self._teach(learner, range(steps))


def episodes_contract(make: Callable[[], EpisodeFamily]) -> type[EpisodesContract]:
    """Give the checks of a family of examples; `make` makes it."""
    return type("EpisodesContract", (EpisodesContract,), {"make": staticmethod(make)})


def few_shot_contract(
    make: Callable[[EpisodeFamily], FewShotLearner],
    family: EpisodeFamily | None = None,
    *,
    ordered: bool = False,
    numbered: bool = False,
) -> type[FewShotContract]:
    """Give the checks of a few-shot learner, for pytest to collect or `failures` to run.

    Args:
        make: makes the learner for a family, of the same seed and small settings each time.
        family: of the tasks that it learns on, without masks; `Blobs` unless told otherwise, `Lines` for numbers.
        ordered: whether it may look at the order of the support.
        numbered: whether it may look at which number a class has.
    """
    known = {
        "make": staticmethod(make),
        "family": family or Blobs(),
        "ordered": ordered,
        "numbered": numbered,
    }
    return type("FewShotContract", (FewShotContract,), known)


class Blobs:
    """A tiny family of classes: points about a centre each."""

    name = "blobs"
    splits: tuple[str, ...] = ("train",)
    target_size = 1
    train_classes = 12

    def __init__(self, shape: tuple[int, ...] = (4,), ways: int = 3, shots: int = 2) -> None:
        self.input_shape, self.ways, self._shots = shape, ways, shots

    def draw(self, count: int, split: str, key: tuple[int, ...]) -> TaskBatch:
        """Draw tasks."""
        generator = torch_generator((*key, Stream.TASKS))
        centres = torch.randn(self.train_classes, *self.input_shape, generator=torch_generator((0, Stream.TASKS)))
        classes = torch.rand(count, self.train_classes, generator=generator).argsort(1)[:, : self.ways]

        def half(number: int) -> Examples:
            targets = torch.arange(self.ways).repeat(count, number)
            chosen = centres[classes.gather(1, targets)]
            return Examples(chosen + 0.3 * torch.randn(chosen.shape, generator=generator), targets)

        return TaskBatch(half(self._shots), half(2), self.ways, classes)


class Lines:
    """A tiny family of numbers: lines of drawn slopes."""

    name = "lines"
    splits: tuple[str, ...] = ("train",)
    input_shape: tuple[int, ...] = (1,)
    ways: int | None = None
    target_size = 1

    def draw(self, count: int, split: str, key: tuple[int, ...]) -> TaskBatch:
        """Draw tasks."""
        generator = torch_generator((*key, Stream.TASKS))
        slopes = torch.randn(count, 1, 1, generator=generator)

        def half(number: int) -> Examples:
            inputs = torch.randn(count, number, 1, generator=generator)
            return Examples(inputs, slopes * inputs)

        return TaskBatch(half(4), half(6))


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as commands do: sums over more are made in another order
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _halves(batch: TaskBatch, change: Callable[[Examples], Examples]) -> TaskBatch:
    return replace(batch, support=change(batch.support), query=change(batch.query))


def _numbers(prediction: Prediction) -> list[Tensor]:
    if isinstance(prediction, Logits):
        return [prediction.logits.log_softmax(-1)]
    weights = None if prediction.log_weights is None else prediction.log_weights.exp()[..., None, None]
    return [each for each in (prediction.means, prediction.deviations, weights) if each is not None]


def _first_task(numbers: Tensor) -> Tensor:
    return numbers[..., 0, :, :]


def _alike(one: Prediction, other: Prediction) -> bool:
    return all(torch.equal(a, b) for a, b in zip(_numbers(one), _numbers(other), strict=True))


def _close(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.allclose(a, b, rtol=RELATIVE, atol=ABSOLUTE) for a, b in zip(one, other, strict=True))


def _same(one: TaskBatch, other: TaskBatch) -> bool:
    return all(
        torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets) and torch.equal(a.present, b.present)
        for a, b in ((one.support, other.support), (one.query, other.query))
    )
