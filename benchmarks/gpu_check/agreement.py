"""Episodes on two engines, by the bit: whole ones of every skill, and those at the edges of what a batch may be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu_check.counting import check_launched, counted
from benchmarks.gpu_check.target import CheckError, Figures, Target, Tell
from benchmarks.walker_agreement import COURSES, controllers
from environments.domain import Batch, Environment, find_domain
from environments.rollouts import Rollouts

PARTS = {"returns": np.uint64, "lengths": np.uint32, "outcomes": np.uint8}  # of rollouts, and integers of their bits
LIMIT = 2000
HARD = {
    "roughness": 8.0,
    "stump_height": [2.0, 5.0],
    "pit_gap": [6.0, 10.0],
    "stair_height": [2.0, 5.0],
    "stair_steps": 9,
}


def bits(rollouts: Rollouts, part: str) -> NDArray[np.unsignedinteger]:
    """Give a column as the integers of its bits: NaN equals itself, and -0 is not 0."""
    return np.ascontiguousarray(getattr(rollouts, part)).view(PARTS[part])


def rows_that_differ(found: Rollouts, expected: Rollouts) -> NDArray[np.bool_]:
    """Say of each row whether any bit of it is another.

    Raises:
        CheckError: there are more rows on one side.
    """
    if len(found.returns) != len(expected.returns):
        raise CheckError(f"there are {len(found.returns)} rows; {len(expected.returns)} were asked for")
    return np.any([bits(found, part) != bits(expected, part) for part in PARTS], axis=0)


def damaged(rollouts: Rollouts, part: str, row: int, bit: int) -> Rollouts:
    """Flip one bit of one row."""
    column = bits(rollouts, part).copy()
    column[row] ^= PARTS[part](1 << bit)
    return replace(rollouts, **{part: column.view(getattr(rollouts, part).dtype)})


def check_that_damage_shows(rollouts: Rollouts, trials: int = 40) -> int:
    """Flip single bits and see that each is found, in its row and nowhere else; how many were.

    Raises:
        CheckError: one was not, so that the comparison proves nothing.
    """
    rng = np.random.default_rng(0)
    for _ in range(trials):
        part = str(rng.choice(list(PARTS)))
        row, bit = int(rng.integers(len(rollouts.returns))), int(rng.integers(8 * np.dtype(PARTS[part]).itemsize))
        found = np.flatnonzero(rows_that_differ(damaged(rollouts, part, row, bit), rollouts)).tolist()
        if found != [row]:
            raise CheckError(f"bit {bit} of {part}[{row}] was flipped, and the comparison found rows {found}")
    return trials


def compare(target: Target, batch: Batch, limit: int, what: str, domain: str = "walker2d") -> Rollouts:
    """Play a batch on both engines; gives what they agree on.

    Raises:
        CheckError: a row differs; the message shows the first.
    """
    body = find_domain(domain)
    with counted() as launches:
        found = body.run(batch, engine=target.engine, episode_limit=limit)
    if len(batch) and not target.rehearsal:
        check_launched(launches.count, what)
    expected = body.run(batch, engine=target.yardstick, episode_limit=limit)
    differ = np.flatnonzero(rows_that_differ(found, expected))
    if len(differ):
        row = int(differ[0])
        shown = (tuple(getattr(each, part)[row].item() for part in PARTS) for each in (found, expected))
        ours, theirs = (f"return {a!r}, {b} steps, outcome {c}" for a, b, c in shown)
        raise CheckError(
            f"{what}: {len(differ)} of {len(batch)} episodes differ; row {row}: {target.engine} has {ours}, "
            f"{target.yardstick} {theirs}"
        )
    return found


def course(genome: dict[str, object], seed: int = 3, domain: str = "walker2d") -> Environment:
    """Make a task."""
    return Environment(domain=domain, encoding="parametric", genome=genome, seed=seed)


def whole_episodes(n: int, domain: str = "walker2d") -> Batch:
    """Lay out the episodes of `benchmarks.walker_agreement`, all courses in one batch, shuffled."""
    rows = [
        Batch.of(controllers(n), course(genome, domain=domain), np.arange(n, dtype=np.uint64))
        for genome in COURSES.values()
    ]
    batch = Batch.join(rows)
    return batch.rows(np.random.default_rng(5).permutation(len(batch)))


def check_episodes(target: Target, tell: Tell) -> Figures:
    """Whole episodes: the 1,200 of `benchmarks.walker_agreement`, and fewer with the published lidar."""
    figures: Figures = {}
    for domain, n in (("walker2d", target.sized(200, 5)), ("walker2d-published", target.sized(40, 2))):
        batch = whole_episodes(n, domain)
        found = compare(target, batch, LIMIT, domain, domain)
        flips = check_that_damage_shows(found)
        steps = int(found.lengths.sum())
        tell(f"{domain}: {len(batch)} of {len(batch)} episodes equal in every bit, {steps:,} steps; "
             f"{flips} flipped bits were all found")  # fmt: skip
        figures[domain] = {"episodes": len(batch), "equal": len(batch), "steps": steps, "flips_found": flips}
    return figures


def check_edges(target: Target, tell: Tell) -> Figures:
    """Odd batches: none, one, and uneven numbers of rows; a task for each row; the hardest courses; sick agents."""
    figures: Figures = {}

    def agree(what: str, batch: Batch, limit: int = 200) -> Rollouts:
        found = compare(target, batch, limit, what)
        tell(f"{what}: {len(batch)} episodes equal, {int(found.lengths.sum()):,} steps")
        figures[what] = len(batch)
        return found

    flat = course({})
    for n in (0, 1, 31, 33, 65):
        agree(f"{n} rows", Batch.of(controllers(65)[:n], flat, np.arange(n, dtype=np.uint64)))
    n = target.sized(2048, 48)
    many = tuple(course({"roughness": 0.1 * (i % 90)}, seed=i) for i in range(n))
    agree("a task for each row", Batch(controllers(n), many, np.arange(n), np.arange(n, dtype=np.uint64)))
    n = target.sized(512, 12)
    hard = tuple(course(HARD, seed=i) for i in range(n))
    agree("the hardest courses", Batch(controllers(n), hard, np.arange(n), np.arange(n, dtype=np.uint64)), 600)
    thetas = controllers(6)
    thetas[1], thetas[2], thetas[3, 5], thetas[4] = np.nan, np.inf, -np.inf, 3e38
    sick = agree("sick agents", Batch.of(thetas, flat, np.arange(6, dtype=np.uint64)))
    if sick.outcomes[1] != 3:
        raise CheckError(f"an agent of NaN ended as {sick.outcomes[1]}; it must diverge, 3")
    for limit in (1, 2):
        agree(f"limit {limit}", Batch.of(controllers(8), flat, np.arange(8, dtype=np.uint64)), limit)
    return figures


def check_repeats(target: Target, tell: Tell) -> Figures:
    """Batches again, in another order and cut in two: a row depends on itself alone."""
    batch = whole_episodes(target.sized(40, 8))
    body = find_domain("walker2d")

    def play(part: Batch) -> Rollouts:
        return body.run(part, engine=target.engine, episode_limit=600)

    first, order = play(batch), np.random.default_rng(9).permutation(len(batch))
    cut = len(batch) // 3
    ways = {
        "again": play(batch),
        "shuffled": play(batch.rows(order)).rows(np.argsort(order)),
        "cut in two": Rollouts.join([play(batch.rows(np.arange(cut))), play(batch.rows(np.arange(cut, len(batch))))]),
    }
    for name, found in ways.items():
        differ = int(rows_that_differ(found, first).sum())
        if differ:
            raise CheckError(f"{differ} of {len(batch)} episodes differ when they are played {name}")
    tell(f"{len(batch)} episodes are the same again, shuffled, and cut in two")
    return {"episodes": len(batch), "ways": list(ways)}
