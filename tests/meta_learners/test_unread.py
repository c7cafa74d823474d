"""Settings that a learner does not read are refused; which those are is found by running all that are installed."""

from contextlib import closing
from dataclasses import fields
from functools import cache
from typing import ClassVar

import numpy as np
import pytest
import torch

from environments.settings import build_settings
from meta_learners.experience.sampling import Sampler
from meta_learners.families.bandits import BernoulliBandits
from meta_learners.families.navigation import Navigation
from meta_learners.few_shot_contracts import Blobs, Lines
from meta_learners.gradient.policy_learner import PolicySettings
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind, LearnerKind
from meta_learners.networks.adaptable import NetworkSettings
from meta_learners.predictions import Logits
from meta_learners.registry import any_kind, as_read, learner_names, make_few_shot, make_learner

GIVEN = {"flat": Blobs(), "curves": Blobs((3, 12)), "images": Blobs((1, 8, 8)), "lines": Lines()}
PLAYED = {"bandits": BernoulliBandits(), "navigation": Navigation(10)}
# So small that each takes milliseconds; of these each learner takes those that it has and reads.
SMALL_GIVEN = {
    "hidden": [4], "width": 4, "units": 4, "draws": 2, "steps": 2, "window": 2, "inner_steps": 2, "particles": 2,
    "updates": 2, "filters": 4, "keys": 4, "rows": 4, "row_size": 4, "reads": 2, "glimpses": 2, "side": 3, "layers": 1,
    "levels": [4, 4, 4], "patience": 0, "heads": 2, "reach": 2, "context": 2, "latent": 2,
}  # fmt: skip
SMALL_PLAYED = {
    "reflex": 4, "epochs": 1, "minibatches": 2, "size": 8, "heads": 2, "filters": 4, "keys": 4, "units": 4, "told": 5,
    "beliefs": 2, "inferences": 1, "rounds": 1, "layers": 1, "window": 4, "trust_region": {"iterations": 2},
}  # fmt: skip
OTHER = {  # values of what is not a number
    "outer": "ppo",
    "trust_region": {"iterations": 3},
    "hidden": [5],
    "largest_norm": 1e-6,
    "curvature_tasks": 1,
}
SEE_SEQUENCES = ("maml", "neural-statistician")  # which read other settings on them
UNCHANGED = {"steps", "compile"}  # VariBAD's steps have one value; to compile takes a minute


def few_shot_kinds():
    for name in learner_names():
        kind = any_kind(name)
        kind = kind.few_shot if isinstance(kind, LearnerKind) else kind
        if kind is not None and name not in ("e-maml", "promp"):  # MAML, where examples are given
            yield name, kind


def acting_kinds():
    return ((name, any_kind(name)) for name in learner_names() if isinstance(any_kind(name), LearnerKind))


def cases():
    """Lay out learners and families: images for who asks for them, sequences for who reads else on them."""
    for name, kind in few_shot_kinds():
        for place, family in GIVEN.items():
            fits = (NUMBERS if family.ways is None else CLASSES) in kind.takes
            if fits and (place == "images") == (name == "arc") and (place != "curves" or name in SEE_SEQUENCES):
                yield pytest.param(name, kind, family, {}, id=f"{name}-{place}")
                if name == "anp":
                    yield pytest.param(name, kind, family, {"blocks": 1}, id=f"{name}-blocks")
    for name, kind in acting_kinds():
        by_gradients = issubclass(kind.settings, PolicySettings)
        for outer in ("ppo", "trpo") if by_gradients and name != "reptile" else (None,):
            other = {"outer": outer} if outer else {}
            yield pytest.param(name, kind, PLAYED["navigation"], other, id=f"{name}-{outer or 'navigation'}")
        if not by_gradients or name == "maml":
            yield pytest.param(name, kind, PLAYED["bandits"], {}, id=f"{name}-bandits")


def settings_of(name, kind, family, other):
    small = SMALL_GIVEN if isinstance(kind, FewShotKind) else SMALL_PLAYED
    known = {each.name for each in fields(kind.settings)}
    unread = kind.unread(name, family, build_settings(kind.settings, other))
    if isinstance(kind, LearnerKind) and name != "varibad":
        small = {**small, "steps": 10}
    return {**{each: value for each, value in small.items() if each in known - unread}, **other}


@cache
def recording(of):
    """Give a class of the same settings whose objects note what is read of them."""
    names = frozenset(each.name for each in fields(of))

    class Recording(of):
        __slots__ = ()
        read: ClassVar[set[str]] = set()

        def __getattribute__(self, name):
            if name in names:
                Recording.read.add(name)
            return super().__getattribute__(name)

    Recording.settings = of
    return Recording


def numbers_of(name, kind, family, settings):
    """Take a meta-step and predict, or adapt and play: all that a learner is, in numbers."""
    made = kind.make(name, family, settings, seed=0, device="cpu")
    if isinstance(kind, FewShotKind):
        made.meta_step(family.draw(2, "train", (0,)), (0,))
        told = made.predict(family.draw(2, "train", (1,)), (1,))
        shown = [told.logits] if isinstance(told, Logits) else [told.means, told.deviations, told.log_weights]
    else:
        tasks = family.sample_tasks(2, np.random.default_rng(0))
        with closing(Sampler(family, 2, 2)) as sampler:
            made.meta_step(sampler, tasks, (0,))
            shown = [sampler.play(tasks, made.adapt(sampler, tasks, 1, (1,)), (2,), episodes=1).actions]
    return {**made.state().tensors, **{str(place): each for place, each in enumerate(shown) if each is not None}}


def same(one, other):
    return one.keys() == other.keys() and all(
        each.shape == other[name].shape and torch.equal(each, other[name]) for name, each in one.items()
    )


def another(of, name):
    """Give another value of a setting."""
    usual = getattr(of(), name)
    if name in OTHER:
        return OTHER[name]
    return not usual if isinstance(usual, bool) else usual / 2 if isinstance(usual, float) else usual + 1


@pytest.mark.parametrize(("name", "kind", "family", "other"), list(cases()))
def test_what_is_not_read_is_said_and_nothing_comes_of_it(name, kind, family, other):
    table, of = settings_of(name, kind, family, other), recording(kind.settings)
    settings = build_settings(of, table)
    of.read.clear()
    found = numbers_of(name, kind, family, settings)
    read = set(of.read)
    unread = kind.unread(name, family, build_settings(kind.settings, table))
    never = {each.name for each in fields(kind.settings)} - read
    assert never <= unread, f"{name} takes {sorted(never - unread)} and never reads them"
    if changing := unread - UNCHANGED:
        changed = {**table, **{each: another(kind.settings, each) for each in changing}}
        assert same(found, numbers_of(name, kind, family, build_settings(kind.settings, changed)))


def test_who_chooses_a_network_by_the_examples_says_which_setting_is_of_the_other():
    of_other = {"flat": {"width"}, "curves": {"hidden"}}
    for name, kind in few_shot_kinds():
        if issubclass(kind.settings, NetworkSettings):
            for place, wanted in of_other.items():
                assert kind.unread(name, GIVEN[place], kind.settings()) & {"hidden", "width"} == wanted, name


@pytest.mark.parametrize(
    ("name", "family", "settings", "told"),
    [
        (
            "cnp",
            "lines",
            {"heads": 4},
            "heads is 4, which learner 'cnp' does not read .* it reads units, waves, step_s",
        ),
        ("reptile", "lines", {"step_size": 0.01}, "step_size is 0.01, which learner 'reptile' does not read"),
        ("maml", "lines", {"reptile_rate": 0.5}, "reptile_rate is 0.5, which learner 'maml' does not read"),
        ("llama", "flat", {"noise": 1.0}, "noise is 1.0, which learner 'llama' does not read on tasks of 'blobs'"),
        ("mixture", "flat", {"own_noise": True}, "own_noise is True, which learner 'mixture' does not read"),
        (
            "maml",
            "navigation",
            {"epochs": 2},
            "epochs is 2, which learner 'maml' does not read on tasks of 'nav",
        ),
        ("rl2", "bandits", {"deviation": 1.0}, "deviation is 1.0, which learner 'rl2' does not read"),
    ],
)
def test_a_setting_of_which_nothing_would_come_is_refused(name, family, settings, told):
    make, of = (make_few_shot, GIVEN[family]) if family in GIVEN else (make_learner, PLAYED[family])
    with pytest.raises(ValueError, match=told):
        make(name, of, settings)


def test_the_same_setting_is_taken_where_it_is_read_or_has_its_default():
    make_few_shot("anp", Lines(), {"heads": 4})
    make_few_shot("cnp", Lines(), {"heads": 8})
    make_few_shot("llama", Lines(), {"noise": 1.0})
    make_learner("maml", Navigation(10), {"outer": "ppo", "epochs": 2})


def test_a_training_of_old_that_was_given_such_a_setting_goes_on_without_it():
    kind = any_kind("maml").few_shot
    kept = {"reptile_rate": 0.5, "step_size": 0.01, "hidden": [5], "width": 7}
    assert as_read(kind, "maml", Lines(), kept) == {**kept, "reptile_rate": 0.1, "width": 32}
