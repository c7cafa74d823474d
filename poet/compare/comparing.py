"""From folders to a comparison: reads the runs, has the matrix played, and compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from cluster.executor import Executor
from poet.compare import matrix as matrices
from poet.compare.comparison import Comparison, compare
from poet.compare.facts import read_runs
from poet.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixSettings:
    """Whether, and how much of, the matrix is played."""

    wanted: bool = True
    episodes: int = matrices.EPISODES  # of each agent in each niche
    niches: int = matrices.NICHES  # at most, of each run
    seed: int = 0  # of the episodes


def compare_folders(
    folders: Sequence[Path],
    groups: Mapping[str, Sequence[Path]] | None = None,
    *,
    settings: MatrixSettings | None = None,
    make_executor: Callable[[], AbstractContextManager[Executor]],
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare the runs of folders, which are only read and may be going on.

    Args:
        folders: of runs, in the order to show them in.
        groups: of more runs that count as one, by name; a run of `folders` may be in one.
        settings: of the matrix.
        make_executor: gives where its episodes are played, if there is one.
        progress: hears of the episodes done, out of how many.

    Raises:
        InputError: a folder holds no run or is named twice, there are fewer than two, or they cannot be compared so.
        EvaluationError: some episodes could not be simulated.
    """
    settings = settings or MatrixSettings()
    named = {name: _single(name, members) for name, members in (groups or {}).items()}
    known = {folder.resolve() for folder in folders}
    listed = [*folders]
    for members in named.values():
        for folder in members:
            if folder.resolve() not in known:
                known.add(folder.resolve())
                listed.append(folder)
    runs = read_runs(listed)
    places = {folder.resolve(): place for place, folder in enumerate(listed)}
    grouped = {name: [places[folder.resolve()] for folder in members] for name, members in named.items()}
    if len(runs) < 2 or not settings.wanted:
        return compare(runs, grouped)
    reason = matrices.obstacle(runs)
    if reason is not None:
        return compare(runs, grouped, notes=[reason])
    plan = matrices.make_plan(runs, settings.episodes, settings.niches, settings.seed)
    with make_executor() as executor:
        return compare(runs, grouped, matrices.play(plan, executor, progress))


def _single(name: str, members: Sequence[Path]) -> list[Path]:
    """Give a group's runs; raises InputError where one is in it twice."""
    whole = [folder.resolve() for folder in members]
    for place, folder in enumerate(whole):
        if folder in whole[:place]:
            raise InputError(f"the group {name} names {members[place]} twice; name each run once")
    return list(members)
