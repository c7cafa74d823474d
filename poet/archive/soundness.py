"""Whether what an archive says of a run can be true, as far as going on from it, or showing it, depends on that.

SQLite keeps types and references of a whole archive. What a damaged or a forged one may still get wrong is looked at
here, before anything is computed from it. A ValueError says what cannot be.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from functools import partial
from itertools import pairwise

import numpy as np

from environments.domain import Encoding
from evolution.optimisers.optimiser import KEEP, State
from poet.config import DRAWN, Config, if_installed
from poet.population import Niche, Pair


def check_niches(niches: Mapping[int, Niche], config: Config, put_in: Container[int]) -> None:
    """Raise ValueError unless there are niches, numbered by birth from the first, whose ground can be made.

    Those that people put in, whose ids are given, have no parent; those that the run began in may have one.
    """
    encodings: dict[str, Encoding | None] = {}
    if list(niches) != list(range(len(niches))) or not niches:
        raise ValueError(f"its niches are {_shown(niches)}; they must be numbered from 0 on")
    for niche in niches.values():
        environment = niche.environment
        if environment.domain != config.domain or environment.encoding not in (config.encoding.name, DRAWN):
            raise ValueError(f"niche {niche.id} is one of {environment.domain} with {environment.encoding} encoding")
        if niche.parent is None:
            fits = niche.born == 0 or niche.id in put_in
        else:
            fits = 0 <= niche.parent < niche.id and niche.id not in put_in
        if not fits:
            raise ValueError(f"niche {niche.id} has the parent {niche.parent}; it must be an older niche")
        if environment.encoding not in encodings:
            encodings[environment.encoding] = if_installed(partial(config.encoding_of, environment))
        if (encoding := encodings[environment.encoding]) is not None:
            encoding.check(environment.genome)


def _shown(numbers: Iterable[int]) -> str:
    listed = [str(number) for number in numbers]
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "") if listed else "none"


def check_pairs(pairs: Iterable[Pair], config: Config) -> None:
    """Raise ValueError unless there are active pairs, each once, with a learner that can go on."""
    listed = list(pairs)
    if not listed:
        raise ValueError("it has no active pair")
    domain = if_installed(config.make_domain)
    length = domain.controller.parameters if domain else len(listed[0].learner.theta)
    if any(first.niche.id >= second.niche.id for first, second in pairwise(listed)):
        raise ValueError(f"its active pairs are {_shown(pair.niche.id for pair in listed)}; each may be there once")
    for pair in listed:
        learner, who = pair.learner, f"the agent of niche {pair.niche.id}"
        if lengths := {len(each) for each in (learner.theta, *([pair.best.theta] if pair.best else []))} - {length}:
            raise ValueError(f"{who} has {lengths.pop()} parameters, not {length}")
        _check_parts(who, learner, config)
        scores = [*pair.recent, *([pair.score] if pair.score is not None else [])]
        if not all(math.isfinite(score) for score in scores):
            raise ValueError(f"{who} has a score that is not finite")


def _check_parts(who: str, learner: State, config: Config) -> None:
    """Raise ValueError unless an optimiser knows of an agent what it would know of a new one, as far as shapes go."""
    optimiser, rng = if_installed(config.make_optimiser), np.random.default_rng(0)
    if optimiser is None:
        return
    fresh = optimiser.fresh(learner.theta, rng).parts
    if odd := sorted(fresh.keys() ^ learner.parts.keys()):
        raise ValueError(f"{who} has a learner that {'lacks' if odd[0] in fresh else 'has'} {odd[0]}")
    for name, part in learner.parts.items():
        if part.shape != fresh[name].shape:
            raise ValueError(f"{who} has {list(part.shape)} numbers of {name}, not {list(fresh[name].shape)}")
        if part.ndim == 0 and not math.isfinite(part):
            raise ValueError(f"{who} has a learner that cannot go on: {name} is {float(part)}")
    try:
        optimiser.moved(learner, learner.theta, KEEP, rng)  # which must take it up
    except ValueError as error:
        raise ValueError(f"{who} has a learner that cannot go on: {error}") from error
