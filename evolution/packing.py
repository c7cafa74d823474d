"""How rows of requests become work items: full lanes first, and what would leave lanes empty waits for company.

An engine plays 32 episodes for about the price of one, but a score is five. So the rows of all requests stand in
line, whatever environments they are of, and items are cut from the line's front. Rows that do not fill the lanes wait
for others to come, until a worker would be idle or all that was under way before them is done: who could join them has
done so by then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from environments.domain import Rollouts
from evolution.chains import Exchange, Pending, Workers
from evolution.requests import Item, Request

MOST_EPISODES = 256  # in one item
ITEMS_PER_WORKER = 24  # a phase is cut so fine where it can be, to even out the load
ROUND = 1.25  # of an item's time: until its gradient is in too, and the next item has arrived


def item_episodes(total: int, workers: int, lanes: int) -> int:
    """Choose how many episodes make an item; no result depends on it.

    Where there are many, whole lanes. Where there is hardly an item for every worker, as many as give
    the shortest round: smaller items leave lanes empty and take almost as long, larger ones leave workers idle.

    Args:
        total: episodes that could run at the same time.
        workers: where they could.
        lanes: episodes that the engine runs side by side.
    """
    many = total // (workers * ITEMS_PER_WORKER)
    if many >= lanes:
        return max(lanes, min(many, MOST_EPISODES) // lanes * lanes)

    def round_time(size: int) -> float:
        one = lanes - 1 + size
        return max(-(-total // size) * one / workers, ROUND * one)

    return min((max(lanes // part, 1) for part in (1, 2, 4)), key=round_time)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request's episodes."""

    rollouts: Rollouts
    crashed: int = 0  # episodes that no engine survived, which count as diverged


class Asked(Pending[Answer]):
    """A request in line or under way: its rows may come back in any pieces and order."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request
        self._missing = request.episodes
        self._pieces: list[tuple[int, Answer]] = []
        if not self._missing:
            self.settle(Answer(request()))

    def put(self, start: int, answer: Answer) -> None:
        """Take in what became of the rows from `start` on."""
        self._pieces.append((start, answer))
        self._missing -= len(answer.rollouts.returns)
        if not self._missing:
            pieces = [piece for _, piece in sorted(self._pieces, key=lambda entry: entry[0])]
            rollouts = Rollouts.join([piece.rollouts for piece in pieces])
            self.settle(Answer(rollouts, sum(piece.crashed for piece in pieces)))


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Rows of a request that are in one item."""

    asked: Asked
    start: int
    stop: int

    @property
    def request(self) -> Request:
        """The request for these rows alone."""
        return self.asked.request.part(self.start, self.stop)


@dataclass(frozen=True, slots=True)
class _Alike:
    """What rows have in common that may be in one item."""

    urgency: int
    lanes: int  # of the engine
    which: Hashable


@dataclass(slots=True)
class _Standing:
    """A request in line, and how much of it is still there."""

    asked: Asked
    since: int  # items that were handed out before it came
    start: int = 0  # of the rows not handed out yet

    @property
    def rows(self) -> int:
        return self.asked.request.episodes - self.start


Deliver: TypeAlias = Callable[[Item, Sequence[Piece], int], None]
"""Hands an item to the workers: the item, what its rows are of, and its urgency."""


class Line:
    """Requests whose rows have not been handed out."""

    def __init__(self, exchange: Exchange, workers: Workers, deliver: Deliver) -> None:
        """Take where items are under way, who runs them, and what hands them out."""
        self._exchange, self._workers, self._deliver = exchange, workers, deliver
        self._lines: dict[_Alike, deque[_Standing]] = {}
        self.rows = 0  # asked for and not answered

    def join(self, request: Request, urgency: int) -> Asked:
        """Let a request stand in line, with those of its urgency that an engine plays side by side with it."""
        asked = Asked(request)
        if not asked.done:
            self.rows += request.episodes
            can = request.simulation.make_domain().capabilities(request.simulation.engine)
            place = None if can.mixed_environments else request.environment.id
            alike = _Alike(urgency, can.lanes, (request.simulation.how, place))
            self._lines.setdefault(alike, deque()).append(_Standing(asked, self._exchange.handed_out))
        return asked

    def advance(self) -> None:
        """Hand out full items, and those that need wait no longer."""
        # In the order of their urgency, so that an executor that starts at once starts with the right ones.
        for alike in sorted(self._lines, key=lambda alike: alike.urgency):
            line = self._lines[alike]
            size = item_episodes(self.rows, self._workers.workers, max(alike.lanes, 2))
            while pieces := self._cut(line, size, min(size, alike.lanes)):
                self._deliver(Item(tuple(piece.request for piece in pieces)), pieces, alike.urgency)
            if not line:
                del self._lines[alike]

    def clear(self) -> None:
        """Let everyone go."""
        self._lines.clear()
        self.rows = 0

    def _cut(self, line: deque[_Standing], size: int, full: int) -> list[Piece]:
        """Take an item's rows from the front of a line; none where they had better wait."""
        if not line:
            return []
        there = 0
        for standing in line:
            there += standing.rows
            if there >= size:
                break
        take = size if there >= size else there if self._is_due(line[0]) else there // full * full
        pieces: list[Piece] = []
        while take > 0 and line:
            first = line[0]
            together = first.asked.request.together
            rows = min(first.rows, max(take // together, 0 if pieces else 1) * together)
            if not rows:
                break  # what belongs together goes with the next item
            pieces.append(Piece(first.asked, first.start, first.start + rows))
            first.start += rows
            take -= rows
            if not first.rows:
                line.popleft()
        return pieces

    def _is_due(self, first: _Standing) -> bool:
        exchange = self._exchange
        return exchange.under_way < self._workers.workers or exchange.oldest >= first.since
