"""Play a batch of episodes on a GPU: the native engine's results, bit for bit.

A thread plays a world and takes the next episode when its own is over. Episodes
are handed out so that neighbours are alike: those of one environment together,
environments of long episodes first. A world that touches more than the kernel's
small list of contacts holds is played again where all of them fit. Too large a
batch goes in parts.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from environments.batch import Batch
from environments.environment import Environment
from environments.rollouts import Rollouts
from environments.walker2d import native
from environments.walker2d.device import driver, toolchain
from environments.walker2d.device.courses import Courses, lay_out
from environments.walker2d.env import start_pushes

SOURCE, KERNEL = "walker.cu", "play_episodes"
BLOCK = 32  # threads: one warp, so that few episodes spread over all multiprocessors
CONTACTS = 48  # of a world, in the kernel that plays first: on the hardest courses 24 were too few for 6% of worlds
MOST_CONTACTS = 256  # the native engine's own bound
SPILT = 4  # the outcome of a world that had more than fit
PARAMETERS = 2804
FEWEST = 256  # episodes of a batch that is worth the card; a processor has played fewer before a card has played one
FEWEST_VARIABLE = "POET_CUDA_FEWEST"
ROW_BYTES = 4 * PARAMETERS + 29  # of an episode: theta, course, order, push, return, length, outcome
COLUMN_BYTES = 4 * PARAMETERS  # of a thread
NODE_BYTES = 32
SHARE = 0.9  # of the free memory that is taken at most


class Launch(ctypes.Structure):
    """The kernel's `Launch`."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("courses", "course_of", "order", "thetas", "pushes")),
        *((name, ctypes.c_void_p) for name in ("columns", "trees", "returns", "lengths", "outcomes", "taken")),
        *((name, ctypes.c_int32) for name in ("episodes", "limit", "threads", "nodes")),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """How a batch is played."""

    threads: int
    rows: int  # of a part


def run_cuda(batch: Batch, episode_limit: int) -> Rollouts:
    """Run the episodes on this process's GPU; on the processor where they are few, or others have the GPUs.

    Raises:
        CardError: the GPU failed, or has too little memory for a single warp.
        CompilerError: the kernel cannot be compiled.
    """
    place = driver.mine()
    if place is None or len(batch) < fewest():
        return native.run_native(batch, episode_limit)
    return play(driver.card(place), batch, episode_limit)


def fewest() -> int:
    """Say how many episodes a batch must have to go to the card; `POET_CUDA_FEWEST` overrides `FEWEST`."""
    given = os.environ.get(FEWEST_VARIABLE, "")
    return int(given) if given.isdigit() else FEWEST


def play(card: driver.Card, batch: Batch, episode_limit: int, contacts: int = CONTACTS) -> Rollouts:
    """Run the episodes on a card, however few.

    Args:
        card: that plays.
        batch: the episodes.
        episode_limit: control steps.
        contacts: of a world, in the kernel that plays first; no result depends on it.

    Raises:
        CardError, CompilerError: as `run_cuda`.
    """

    def first(rows: Batch, published: bool) -> Rollouts:
        found = _play(card, rows, episode_limit, published, contacts)
        spilt = np.flatnonzero(found.outcomes == SPILT)
        if not len(spilt):
            return found
        again = rows.rows(spilt)
        if len(spilt) < fewest():
            whole = native.run_native(again, episode_limit)
        else:
            whole = _play(card, again, episode_limit, published, MOST_CONTACTS)
        found.returns[spilt], found.lengths[spilt], found.outcomes[spilt] = whole.returns, whole.lengths, whole.outcomes
        return found

    return native.by_lidar(batch, first)


def macros(contacts: int) -> dict[str, str]:
    """Give the macros of the kernel whose worlds hold so many contacts."""
    return {"WALKER_CONTACTS": str(contacts), "WALKER_BLOCK": str(BLOCK)}


def ordered(batch: Batch, expected: Sequence[float]) -> NDArray[np.intp]:
    """Give a batch's rows as they are handed out: an environment's together, those of the longest episodes first.

    Args:
        batch: the episodes.
        expected: steps of an episode, for each of the batch's environments.
    """
    rank = np.empty(len(expected), dtype=np.intp)
    rank[np.argsort(-np.asarray(expected, dtype=np.float64), kind="stable")] = np.arange(len(expected))
    return np.argsort(rank[batch.places], kind="stable")


def planned(episodes: int, resident: int, free: int, nodes: int, patient: bool = True) -> Plan | None:
    """Fit a batch to a card; None where not one warp fits.

    Args:
        episodes: of the batch, at least one.
        resident: threads that run at once on the card.
        free: bytes that may be taken.
        nodes: of a thread's tree; 0 without.
        patient: whether a kernel may run for many seconds, as on a card that drives no screen.
    """
    warps = -(-episodes // BLOCK)
    thread_bytes = COLUMN_BYTES + NODE_BYTES * nodes
    threads = BLOCK * min(warps, max(resident // BLOCK, 1), free // 2 // (BLOCK * thread_bytes))
    rows = min(episodes, (free - threads * thread_bytes) // ROW_BYTES)
    if threads < BLOCK or rows < 1:
        return None
    return Plan(threads, rows if patient else min(rows, threads))


def _play(card: driver.Card, batch: Batch, limit: int, published: bool, contacts: int) -> Rollouts:
    if not len(batch):
        return Rollouts(np.zeros(0), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int8))
    kernel = card.load(toolchain.binary(SOURCE, card.architecture, macros(contacts)), KERNEL)
    returns, lengths = np.zeros(len(batch)), np.zeros(len(batch), dtype=np.int32)
    outcomes = np.zeros(len(batch), dtype=np.int8)
    order = ordered(batch, [_expected_length(environment)[0] for environment in batch.environments])
    with ExitStack() as stack:
        courses = lay_out(card, [native.course_of(environment) for environment in batch.environments], stack)
        free = int(SHARE * card.free_bytes()) - card.local_memory(kernel)
        resident = BLOCK * card.resident(kernel, BLOCK)
        plan = planned(len(batch), resident, free, courses.nodes * published, not card.impatient)
        if plan is None:
            needed = card.local_memory(kernel) + 4 * BLOCK * (COLUMN_BYTES + NODE_BYTES * courses.nodes)
            raise driver.CardMemoryError(
                f"the GPU {card.description.name} has {card.free_bytes() // 2**20:,} MiB of memory left and the walker "
                f"needs {int(needed / SHARE) // 2**20:,} MiB; free some, or take the engine native"
            )
        for rows in _parts(order, plan.rows):
            found = _play_part(card, kernel, courses, batch.rows(rows), limit, published, plan.threads)
            returns[rows], lengths[rows], outcomes[rows] = found.returns, found.lengths, found.outcomes
    for place, environment in enumerate(batch.environments):
        if (mine := batch.places == place).any():
            _expected_length(environment)[0] = float(lengths[mine].mean())
    return Rollouts(returns, lengths, outcomes)


def _play_part(
    card: driver.Card, kernel: driver.Kernel, courses: Courses, batch: Batch, limit: int, published: bool, threads: int
) -> Rollouts:
    """Play the rows of a batch in their order."""
    n = len(batch)
    threads = min(threads, BLOCK * -(-n // BLOCK))
    returns, lengths, outcomes = np.zeros(n), np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int8)
    given = (
        batch.places.astype(np.int32),
        np.arange(n, dtype=np.int32),
        batch.thetas,
        start_pushes(batch.seeds).astype(np.float32),
    )
    with ExitStack() as stack:
        course_of, order, thetas, pushes = (stack.enter_context(card.store(array)).address for array in given)
        columns = stack.enter_context(card.room(COLUMN_BYTES * threads))
        trees = stack.enter_context(card.room(NODE_BYTES * courses.nodes * threads)) if published else None
        taken = stack.enter_context(card.store(np.zeros(1, dtype=np.uint32)))
        results = [(array, stack.enter_context(card.store(array))) for array in (returns, lengths, outcomes)]
        launch = Launch(
            *(courses.views.address, course_of, order, thetas, pushes),
            *(columns.address, None if trees is None else trees.address),
            *(memory.address for _, memory in results),
            *(taken.address, n, limit, threads, courses.nodes),
        )
        card.launch(kernel, threads // BLOCK, BLOCK, [launch])
        card.wait()
        for array, memory in results:
            card.read(memory, array)
    return Rollouts(returns, lengths, outcomes)


def _parts(order: NDArray[np.intp], rows: int) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(order), rows):
        yield order[start : start + rows]


@lru_cache(maxsize=4096)
def _expected_length(environment: Environment) -> list[float]:
    """Give a place for an environment's last mean length in steps; it decides nothing but the order."""
    return [0.0]
