"""Walkers on a GPU beside the processor: `python -m benchmarks.walker_gpu [--json] [--worlds N ...] [--engine both]`.

Whole episodes of a population about a trained walker, controllers in the loop, on flat ground and over obstacles, for
several sizes of the population, by `Domain.run` as an evolution step plays them. Each figure is the median of several
turns within `--seconds`, in control steps a second by the wall; a reset's own physics step counts as a step nowhere.
The time goes by stage: laying out a batch on the host, copying it to the card, the kernel, reading back. Beside it the
native engine plays the same population in the same run, on one core and on all.

Without a card it says so, and measures the processor alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.walker_speed import FLAT, OBSTACLES, WALKER
from environments.domain import Batch
from environments.walker2d import DOMAIN, native
from environments.walker2d.simulator import CONTROLLER, engine_status

WORLDS = (1024, 4096, 16384, 65536, 131072)
MOST = 1 << 20
CPU_WORLDS = 1024
COURSES = {"flat": FLAT, "obstacles": OBSTACLES}
LIMIT, SIGMA = 2000, 0.05
# What of the time a call of the card's is; all else of a turn is packing.
STAGES = {"store": "copying", "write": "copying", "launch": "kernel", "wait": "kernel", "read": "reading back"}
TURNS = 2  # at least


@dataclass(slots=True)
class Row:
    """What so many worlds came to on one engine."""

    engine: str
    course: str
    worlds: int
    turns: int
    steps: int  # of a turn
    steps_per_second: float  # median
    slowest: float
    fastest: float
    stages: dict[str, float] = field(default_factory=dict)  # shares of the time


class Stopwatch:
    """Adds up the time spent in each stage; what is within another counts there alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    def _turn_to(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens within as this stage's."""
        self._turn_to()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn_to()
            self._open.pop()

    def timing(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Give a method whose time counts as a stage's, unless it is a part of another."""

        def timed(*words: Any, **more: Any) -> Any:
            if self._open[-1:] != ["packing"]:
                return method(*words, **more)
            with self.stage(name):
                return method(*words, **more)

        return timed


@contextmanager
def card_timed(watch: Stopwatch) -> Iterator[None]:
    """Time the calls of the card that an engine makes."""
    from environments.walker2d.device.driver import Card  # noqa: PLC0415 - where there is one

    before = {name: getattr(Card, name) for name in STAGES}
    for name, stage in STAGES.items():
        setattr(Card, name, watch.timing(before[name], stage))
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(Card, name, method)


def population(worlds: int) -> NDArray[np.float32]:
    """Lay out the perturbed controllers of an evolution step about a trained walker, each another."""
    theta = np.load(WALKER).astype(np.float32)
    noise = np.random.default_rng(0).standard_normal((worlds, CONTROLLER.parameters), dtype=np.float32)
    noise *= np.float32(SIGMA)
    noise += theta
    return noise


def turns(batch: Batch, engine: str, seconds: float, limit: int, watch: Stopwatch) -> tuple[list[float], int]:
    """Play a batch again and again for so long, and at least twice: steps a second of each turn, and its steps."""
    rates: list[float] = []
    steps, began = 0, time.perf_counter()
    while len(rates) < TURNS or time.perf_counter() - began < seconds:
        started = time.perf_counter()
        with watch.stage("packing"):
            steps = int(DOMAIN.run(batch, engine=engine, episode_limit=limit).lengths.sum())
        rates.append(steps / (time.perf_counter() - started))
    return rates, steps


def measure(engine: str, course: str, thetas: NDArray[np.float32], seconds: float, limit: int = LIMIT) -> Row:
    """Measure an engine with a population."""
    batch = Batch.of(thetas, COURSES[course], np.arange(len(thetas), dtype=np.uint64))
    watch = Stopwatch()
    with card_timed(watch) if engine == "cuda" else nullcontext():
        rates, steps = turns(batch, engine, seconds, limit, watch)
    total = sum(watch.seconds.values())
    stages = {name: spent / total for name, spent in watch.seconds.items()} if engine == "cuda" else {}
    middle = statistics.median(rates)
    return Row(engine, course, len(thetas), len(rates), steps, middle, min(rates), max(rates), stages)


def measure_cores(course: str, thetas: NDArray[np.float32], cores: int, limit: int = LIMIT) -> float:
    """Play a population for each core on the native engine at once, a thread a core; steps a second by the wall."""
    batch = Batch.of(thetas, COURSES[course], np.arange(len(thetas), dtype=np.uint64))

    def play(_: int) -> int:
        return int(DOMAIN.run(batch, engine="native", episode_limit=limit).lengths.sum())

    with ThreadPoolExecutor(cores) as pool:  # the core lets go of Python while it computes
        began = time.perf_counter()
        steps = sum(pool.map(play, range(cores)))
        return steps / (time.perf_counter() - began)


def why_no_card() -> str | None:
    """Say in a sentence why no card is measured; None where one is."""
    status = {name: (works, detail) for name, works, detail in engine_status()}
    if "cuda" not in status:
        return "this version has no engine cuda"
    works, detail = status["cuda"]
    return None if works else detail


def kernel_facts() -> dict[str, Any]:
    """Say what the kernel's threads take and how many run at once, by the driver's word."""
    from environments.walker2d.device import driver, episodes, toolchain  # noqa: PLC0415 - where there is a card

    card = driver.card(0)
    macros = episodes.macros(episodes.CONTACTS)
    kernel = card.load(toolchain.binary(episodes.SOURCE, card.architecture, macros), episodes.KERNEL)
    threads = episodes.BLOCK * card.resident(kernel, episodes.BLOCK)
    return {
        "architecture": card.architecture,
        "multiprocessors": card.multiprocessors,
        "registers": kernel.registers,
        "local_bytes_per_thread": kernel.local,
        "threads_at_once": threads,
        "occupancy": threads / card.most_threads,
        "local_memory_bytes": card.local_memory(kernel),
    }


def say(text: str) -> None:
    """Tell a person; figures alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worlds", type=int, nargs="+", default=list(WORLDS), metavar="N")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure")
    parser.add_argument("--engine", choices=["native", "cuda", "both"], default="both")
    parser.add_argument("--limit", type=int, default=LIMIT, help="of an episode, in steps")
    given = parser.parse_args()
    if not all(1 <= worlds <= MOST for worlds in given.worlds):
        parser.error(f"--worlds are {given.worlds}; each must be in [1, {MOST}]")
    if not (0 < given.seconds < 3600 and 1 <= given.limit <= LIMIT):
        parser.error(f"--seconds must be in (0, 3600) and --limit in [1, {LIMIT}]")
    if native.problem():
        sys.exit(f"the native engine is needed, but {native.problem()}")
    reason = why_no_card()
    if reason and given.engine == "cuda":
        print(f"engine is 'cuda', but {reason}", file=sys.stderr)
        sys.exit(2)
    found = run(given.worlds, given.seconds, given.engine, given.limit, reason)
    print(json.dumps(found) if given.json else table(found))


def run(worlds: list[int], seconds: float, engine: str, limit: int, reason: str | None) -> dict[str, Any]:
    """Measure what there is; a figure that was not measured is None."""
    found: dict[str, Any] = dict.fromkeys(("gpu_flat", "gpu_obstacles", "cpu_flat", "cpu_obstacles"))
    rows: list[Row] = []
    with_card = engine != "native" and reason is None
    thetas = population(max([CPU_WORLDS, *(worlds if with_card else [])]))
    facts: dict[str, Any] = {}
    if with_card:
        facts = kernel_facts()
        measure("cuda", "flat", thetas[:1024], 0.0, 5)  # opens the card
        for course in COURSES:
            for count in sorted(worlds):
                rows.append(measure("cuda", course, thetas[:count], seconds, limit))
                say(line(rows[-1]))
            found[f"gpu_{course}"] = max(row.steps_per_second for row in rows if row.course == course)
    elif engine != "native":
        say(f"no GPU was measured: {reason}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if engine != "cuda":
        for course in COURSES:
            rows.append(measure("native", course, thetas[:CPU_WORLDS], seconds, limit))
            say(line(rows[-1]))
            found[f"cpu_{course}"] = rows[-1].steps_per_second
            found[f"cpu_{course}_all_cores"] = measure_cores(course, thetas[:CPU_WORLDS], cores, limit)
    device = None if not with_card else _card_name()
    about = {"device": device, "why_no_device": reason, "cores": cores, "cpu_kernel": native.kernel()}
    about |= {"machine": platform.machine(), "kernel": facts, "rows": [asdict(row) for row in rows]}
    return {**found, **about}


def _card_name() -> str:
    from environments.walker2d.device import driver  # noqa: PLC0415 - where there is a card

    return driver.card(0).description.name


def line(row: Row) -> str:
    """Lay out one figure."""
    spent = "".join(f", {name} {100 * share:.0f}%" for name, share in row.stages.items())
    return (
        f"{row.engine:7} {row.course:10} {row.worlds:8,} worlds {row.steps_per_second:14,.0f} steps/s "
        f"({row.turns} turns of {row.steps:,} steps, {row.slowest:,.0f} to {row.fastest:,.0f}){spent}"
    )


def table(found: dict[str, Any]) -> str:
    """Lay the figures out for a person."""
    lines = [f"device: {found['device'] or 'no GPU: ' + str(found['why_no_device'])}"]
    for name in ("gpu_flat", "gpu_obstacles", "cpu_flat", "cpu_obstacles"):
        lines.append(
            f"{name:14} {'not measured' if found[name] is None else format(found[name], '14,.0f') + ' steps/s'}"
        )
    for course in COURSES:
        if f"cpu_{course}_all_cores" in found:
            lines.append(f"{'':14} {found[f'cpu_{course}_all_cores']:14,.0f} on {found['cores']} cores, {course}")
    lines += [f"{name}: {value}" for name, value in found["kernel"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
