"""News of all runs, in one order, to every browser that listens: each gets what it has not seen, and nothing twice."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool

from poet.archive.filesystem import place_of
from poet.studio.tracking import Tracker

Row = dict[str, Any]

EVERY, EVERY_SHARED = 1.0, 10.0  # s between two looks at a run; on a network file system each is a copy
KEPT = 400  # pieces of news, for browsers that were away


class Hub:
    """Looks at the runs in turn and tells what is new.

    A version is EPOCH.NUMBER: of another start of the studio, or too long ago, a browser begins anew.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self.trackers = list(trackers)
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._news: deque[tuple[int, Row]] = deque(maxlen=KEPT)
        self._more = asyncio.Condition()
        self._due = [0.0] * len(self.trackers)

    @property
    def version(self) -> str:
        """Say up to which news what is told now reaches."""
        return f"{self._epoch}.{self._number}"

    async def watch(self) -> None:
        """Look for news for as long as the studio is open."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Look at every run that is due."""
        for place, tracker in enumerate(self.trackers):
            if time.monotonic() < self._due[place]:
                continue
            news = await run_in_threadpool(tracker.poll)
            shared = place_of(tracker.folder).shared
            self._due[place] = time.monotonic() + (EVERY_SHARED if shared else EVERY) * 0.9
            if news is not None:
                async with self._more:
                    self._number += 1
                    self._news.append((self._number, {"run": place, **news}))
                    self._more.notify_all()

    async def news(self, seen: str, heartbeat: float) -> AsyncIterator[tuple[str, Row | None]]:
        """Give news after a version, as they come; None as a sign of life where nothing comes for so many seconds."""
        number = self._number_of(seen)
        if number is None:
            number = self._number
            yield self.version, {"anew": True}
        while True:
            fresh = [(version, row) for version, row in self._news if version > number]
            for version, row in fresh:
                number = version
                yield f"{self._epoch}.{version}", row
            if not fresh:
                async with self._more:
                    try:
                        await asyncio.wait_for(self._more.wait_for(lambda: self._number > number), heartbeat)  # noqa: B023
                    except TimeoutError:
                        yield self.version, None

    def _number_of(self, seen: str) -> int | None:
        """Read a version that news can go on from; None where they cannot."""
        epoch, _, number = seen.partition(".")
        if epoch != self._epoch or not number.isdecimal():
            return None
        oldest = self._news[0][0] if self._news else self._number + 1
        return int(number) if oldest - 1 <= int(number) <= self._number else None
