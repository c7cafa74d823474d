"""Train, validation and test tasks that do not leak: no parent and child in two splits.

A run has one root, so its tasks are all related. By lineage, the family tree
is cut at centroids until its branches can be dealt out in the wanted sizes; by
rank, the first tasks train and the last test. Tasks at the cuts go to no split
but to the boundary. Two children of a boundary task may lie in two splits: a
root with many children could not be split otherwise. Pure functions of the
tree: equal trees are split alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from environments.tasks.curriculum import BOUNDARY, SPLITS
from poet.errors import InputError

Tree = Mapping[str, Sequence[str]]
"""Each task's parents, in order of birth: none of the first task, and several of one that was admitted again."""


class SplitBy(StrEnum):
    """What decides on a task's split."""

    LINEAGE = "lineage"
    DIFFICULTY = "difficulty"
    BIRTH = "birth"


class StageOrder(StrEnum):
    """What decides in which order to learn tasks."""

    BIRTH = "birth"
    DIFFICULTY = "difficulty"


@dataclass(frozen=True, slots=True)
class Fractions:
    """Shares of train, validation and test.

    Raises:
        InputError: they are negative or do not sum to 1.
    """

    shares: tuple[float, float, float] = (0.7, 0.15, 0.15)

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in self.shares) or abs(sum(self.shares) - 1) > 1e-9:
            text = ",".join(f"{share:g}" for share in self.shares)
            raise InputError(f"--fractions {text} cannot be: three shares from 0 to 1 must sum to 1")

    @staticmethod
    def parse(text: str) -> Fractions:
        """Read ``0.7,0.15,0.15``.

        Raises:
            InputError: it is not three shares that sum to 1.
        """
        try:
            train, validation, test = (float(part) for part in text.split(","))
        except ValueError as error:
            raise InputError(f"--fractions {text} is not three numbers, such as 0.7,0.15,0.15") from error
        return Fractions((train, validation, test))

    @property
    def wanted(self) -> list[str]:
        """The splits that must have a task."""
        return [name for name, share in zip(SPLITS, self.shares, strict=True) if share > 0]


def split_by_lineage(tree: Tree, fractions: Fractions, seed: int) -> dict[str, str]:
    """Deal whole branches of the family tree out to the splits.

    Args:
        tree: the tasks and their parents.
        fractions: the wanted shares; met as closely as the branches allow.
        seed: decides between branches of equal size.

    Raises:
        InputError: the tree is too small to give every wanted split a task.
    """
    neighbours = _neighbours(tree)
    targets = [share * len(tree) for share in fractions.shares]
    boundary: set[str] = set()
    best: tuple[float, dict[str, str]] | None = None
    for _ in range(max(len(tree) // 8, 8)):
        branches = _branches(tree, neighbours, boundary)
        for relative in (False, True):
            dealt = _deal(branches, targets, seed, relative)
            sizes = np.bincount(dealt, weights=[len(branch) for branch in branches], minlength=3)
            if all(size for size, share in zip(sizes, fractions.shares, strict=True) if share > 0):
                # A task on the boundary is lost to learning: it costs as much as one in a wrong split.
                cost = float(np.abs(sizes - targets).sum()) + len(boundary)
                if best is None or cost < best[0]:
                    found = {task: SPLITS[i] for branch, i in zip(branches, dealt, strict=True) for task in branch}
                    best = cost, {task: found.get(task, BOUNDARY) for task in tree}
        if len(branches) == 0 or len(boundary) == len(tree) - 1:
            break
        boundary.add(_centroid(max(branches, key=len), neighbours))
    if best is None:
        raise _too_few(tree, fractions, "lineage")
    return best[1]


def split_by_rank(tree: Tree, ranked: Sequence[str], fractions: Fractions, by: str) -> dict[str, str]:
    """Give the first tasks to train, the next to validation and the last to test.

    Args:
        tree: the tasks and their parents.
        ranked: the tasks, from first to last.
        fractions: the wanted shares.
        by: what ranks them, for the message.

    Raises:
        InputError: after the cuts a wanted split has no task.
    """
    ends = np.round(np.cumsum(fractions.shares) * len(ranked)).astype(int)
    places = np.searchsorted(ends, np.arange(len(ranked)), side="right")
    found = {task: SPLITS[min(place, 2)] for task, place in zip(ranked, places.tolist(), strict=True)}
    # From the leaves up, take the parent: in a tree that is the smallest set that touches every edge between splits.
    for task in reversed(list(tree)):
        for parent in tree[task]:
            if BOUNDARY not in (found[task], found[parent]) and found[task] != found[parent]:
                found[parent] = BOUNDARY
    if set(fractions.wanted) - set(found.values()):
        raise _too_few(tree, fractions, by)
    return found


def _too_few(tree: Tree, fractions: Fractions, by: str) -> InputError:
    return InputError(
        f"{len(tree)} tasks cannot be split by {by} into {', '.join(fractions.wanted)} without parent and child "
        "in two splits; evolve longer, or use --fractions 1,0,0"
    )


def _neighbours(tree: Tree) -> dict[str, list[str]]:
    neighbours: dict[str, list[str]] = {task: [] for task in tree}
    for task, parents in tree.items():
        for parent in parents:
            neighbours[task].append(parent)
            neighbours[parent].append(task)
    return neighbours


def _branches(tree: Tree, neighbours: Mapping[str, Sequence[str]], boundary: set[str]) -> list[list[str]]:
    """List the connected parts that are left when the boundary is taken out."""
    seen, branches = set(boundary), []
    for start in tree:
        if start in seen:
            continue
        seen.add(start)
        branch = [start]
        for task in branch:  # grows as it is walked
            fresh = [other for other in neighbours[task] if other not in seen]
            seen.update(fresh)
            branch += fresh
        branches.append(branch)
    return branches


def _deal(branches: Sequence[Sequence[str]], targets: Sequence[float], seed: int, relative: bool) -> list[int]:
    """Place each branch, largest first, where most is missing, in tasks or relative to the split's size."""
    chance = np.random.default_rng(seed).random(len(branches))
    order = sorted(range(len(branches)), key=lambda i: (-len(branches[i]), chance[i]))
    sizes = np.maximum(targets, 1e-9)
    weights = 1 / sizes if relative else np.ones(3)
    missing, places = np.array(targets), [0] * len(branches)
    for i in order:
        place = int(np.argmax(np.where(sizes > 1e-6, missing * weights, -np.inf)))
        places[i] = place
        missing[place] -= len(branches[i])
    return places


def _centroid(branch: Sequence[str], neighbours: Mapping[str, Sequence[str]]) -> str:
    """Find the task whose removal leaves the smallest largest part."""
    inside, above = set(branch), {branch[0]: branch[0]}
    below = dict.fromkeys(branch, 1)
    largest = dict.fromkeys(branch, 0)
    for task in branch:  # breadth first from the first: parents in this order before children
        above |= {other: task for other in neighbours[task] if other in inside and other not in above}
    for task in reversed(branch[1:]):
        below[above[task]] += below[task]
        largest[above[task]] = max(largest[above[task]], below[task])
    return min(branch, key=lambda task: max(largest[task], len(branch) - below[task]))
