"""Any agent of a run on any ground: grounds as the pages draw them, and episodes as they are played."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import NO_OUTCOME, Domain, Environment, Outcome, find_domain
from environments.plain import is_count
from environments.sketch import Drawable, Streamed, Stretch
from environments.suites import suites_of
from poet import archive as archives
from poet.archive.best import best_agent
from poet.config import Config
from poet.errors import InputError
from poet.report.data import ANGLE_UNIT, FRAME_STRIDE, LENGTH_UNIT, film_of, pack, packed_course

Row = dict[str, Any]

MOST_AGENTS = 32
LARGEST_SEED = 2**32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cast:
    """Who plays where."""

    domain: Domain
    environment: Environment
    niches: Sequence[int]  # whose best agents play
    thetas: NDArray[np.float32]  # (n, P)
    seed: int
    episode_limit: int


def read_environment(fields: object, domain: str) -> Environment:
    """Read an environment that a page sent, on which agents of a domain can be tried.

    Raises:
        InputError: it is none.
    """
    try:
        environment = Environment.from_fields(fields)
    except ValueError as error:
        raise InputError(f"the ground is no environment: {error}") from error
    if environment.domain != domain:
        raise InputError(f"the ground is one of {environment.domain}; the agents live in {domain}")
    return environment


def ground_of(environment: Environment) -> Row:
    """Draw a ground and describe it.

    Raises:
        InputError: its genome is refused.
    """
    domain = find_domain(environment.domain)
    if not isinstance(domain, Drawable):
        raise InputError(f"{environment.domain} has no pictures of its ground")
    try:
        course = packed_course(domain.sketch(environment))
        described = domain.encoding(environment.encoding, {}).describe(environment.genome)
    except ValueError as error:
        if "encoding is" not in str(error):
            raise InputError(str(error)) from error
        described = environment.encoding  # of a suite's own encoding, in which nothing evolves
    return {
        "id": environment.id,
        "environment": json.loads(environment.to_json()),
        "description": described,
        "course": course,
    }


def tools_of(config: Config) -> Row:
    """Say what grounds can be made by hand in a run's domain: genes for sliders, and the ends of what may be drawn."""
    domain = find_domain(config.domain)
    genes = getattr(config.make_encoding(), "genes", None)
    drawing = getattr(domain, "drawing", None)
    return {
        "genes": {} if genes is None else genes(),
        "initial": config.make_encoding().initial(),
        "drawing": None if drawing is None else drawing(),
        "many": isinstance(domain, Streamed),
        "suites": [[name, suite_levels(config.domain, name)] for name in suites_of(config.domain)],
    }


def suite_levels(domain: str, suite: str) -> list[str]:
    """Name the courses of a suite."""
    return [f"{level.terrain}, {level.environment.seed}" for level in suites_of(domain)[suite]().levels]


def suite_ground(domain: str, suite: str, number: int) -> Environment:
    """Give a course of a suite.

    Raises:
        InputError: there is none.
    """
    makers = suites_of(domain)
    levels = makers[suite]().levels if suite in makers else ()
    if not 0 <= number < len(levels):
        raise InputError(f"{domain} has no course {number} of a suite {suite!r}")
    return levels[number].environment


def drawn_from(environment: Environment) -> Environment:
    """Give a ground as points and boxes that can be moved.

    Raises:
        InputError: its domain has no such grounds, or this one has too many parts.
    """
    convert = getattr(find_domain(environment.domain), "drawn_from", None)
    if convert is None:
        raise InputError(f"grounds of {environment.domain} cannot be drawn by hand")
    try:
        found: Environment = convert(environment)
    except ValueError as error:
        raise InputError(str(error)) from error
    return found


def mutated(environment: Environment, config: Config, seed: int) -> Environment:
    """Give a child of a ground by the run's own mutation; the terrain's seed stays, so that one sees what genes do."""
    try:
        genome = config.encoding_of(environment).mutate(environment.genome, np.random.default_rng(seed))
    except ValueError as error:
        raise InputError(str(error)) from error
    return Environment(domain=environment.domain, encoding=environment.encoding, genome=genome, seed=environment.seed)


def cast(folder: Path, config: Config, wanted: Row) -> Cast:
    """Find who is to play where.

    Raises:
        InputError: the page asks for what there is not.
    """
    niches, seed = wanted.get("agents"), wanted.get("seed", 0)
    if not isinstance(niches, list) or not 1 <= len(niches) <= MOST_AGENTS or not all(map(is_count, niches)):
        raise InputError(f"agents is {niches!r}; it must be a list of 1 to {MOST_AGENTS} ids of niches")
    if not is_count(seed) or seed >= LARGEST_SEED:
        raise InputError(f"seed is {seed!r}; it must be a whole number in [0, {LARGEST_SEED})")
    environment = read_environment(wanted.get("environment"), config.domain)
    ground_of(environment)
    with archives.reading(folder, seen=True) as connection:
        thetas = np.stack([best_agent(connection, niche).theta for niche in niches])
    return Cast(
        domain=config.make_domain(),
        environment=environment,
        niches=niches,
        thetas=thetas,
        seed=seed,
        episode_limit=config.episode_limit,
    )


def play(wanted: Cast) -> Iterator[Row]:
    """Play the episodes and tell of them as they go: first who plays, then stretches of frames, or a whole film."""
    domain = wanted.domain
    stretches = None
    if isinstance(domain, Streamed):
        seeds = np.full(len(wanted.niches), wanted.seed, dtype=np.uint64)  # all begin alike
        stretches = domain.stream(
            wanted.environment,
            wanted.thetas,
            seeds,
            episode_limit=wanted.episode_limit,
            controller=domain.controller,
            stride=FRAME_STRIDE,
        )
    if stretches is None:
        yield from _one_by_one(wanted)
        return
    assert isinstance(domain, Streamed)
    figure = domain.figure(wanted.environment)
    yield {
        "agents": wanted.niches,
        "shapes": [shape.round(4).tolist() for shape in figure.shapes],
        "lines": [list(line) for line in figure.lines],
        "fps": domain.fps / FRAME_STRIDE,
        "course": domain.course,
    }
    for stretch in stretches:
        yield _packed(stretch, turned=bool(figure.shapes))


def _one_by_one(wanted: Cast) -> Iterator[Row]:
    """Record one agent after another on the reference engine."""
    domain = wanted.domain
    if not isinstance(domain, Drawable):
        raise InputError(f"{domain.name} has no pictures of episodes")
    for niche, theta in zip(wanted.niches, wanted.thetas, strict=True):
        recording = domain.record(wanted.environment, theta, wanted.seed, wanted.episode_limit)
        yield {"agent": niche, "film": film_of(recording)}


def _packed(stretch: Stretch, *, turned: bool) -> Row:
    """Pack a stretch; of parts that are turned the third number is an angle."""
    poses = stretch.poses / LENGTH_UNIT
    if turned:
        poses[..., 2] = ((stretch.poses[..., 2] + np.pi) % (2 * np.pi) - np.pi) / ANGLE_UNIT
    return {
        "frames": len(poses),
        "poses": pack(poses),
        "returns": stretch.returns.round(1).tolist(),
        "distances": stretch.distances.round(2).tolist(),
        "lengths": stretch.lengths.tolist(),
        "outcomes": [None if each == NO_OUTCOME else _words(each) for each in stretch.outcomes.tolist()],
    }


def _words(outcome: int) -> str:
    return Outcome(outcome).name.lower().replace("_", " ")
