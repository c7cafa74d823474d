"""Worlds on the card as PyTorch's tensors, in lockstep with the native engine's: every step compared in every bit.

Worlds that differ are counted and begun anew on both sides, so that one difference is one and not a thousand.
In a rehearsal the kernel's own text runs on the processor.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu_check.agreement import course
from benchmarks.gpu_check.counting import check_launched, counted
from benchmarks.gpu_check.target import CheckError, Figures, SkippedError, Target, Tell
from environments.domain import Environment
from environments.tasks.env import TaskSource

EPISODE_LIMIT = 250
GENOMES: tuple[dict[str, Any], ...] = (
    *({}, {"roughness": 3.0}, {"stump_height": [0.2, 1.0]}, {"pit_gap": [0.2, 1.2], "roughness": 1.0}),
    {"roughness": 1.5, "stump_height": [0.0, 2.0], "pit_gap": [0.0, 3.0], "stair_height": [0.0, 1.0], "stair_steps": 3},
)
Step = tuple[NDArray[Any], ...]


def tasks_of(domain: str, count: int) -> list[Environment]:
    """Make tasks of every kind."""
    return [course(GENOMES[i % len(GENOMES)], seed=i, domain=domain) for i in range(count)]


def on_device(target: Target, tasks: Sequence[Environment], **settings: Any) -> Any:
    """Make worlds on the card, or in a rehearsal by the kernel's text on the processor.

    Raises:
        SkippedError: there is no such class yet, or no compiler to rehearse with.
    """
    from environments.walker2d.device.worlds import WalkerTensorEnv  # noqa: PLC0415

    if not target.rehearsal:
        return WalkerTensorEnv(tasks, device=target.device, **settings)
    sys.path.append(str(Path(__file__).parents[2] / "tests" / "support"))
    try:
        from host_stepper import OnHost  # type: ignore[import-not-found]  # noqa: PLC0415

        folder = Path(tempfile.mkdtemp())
        return WalkerTensorEnv(tasks, device="cpu", stepper=OnHost(folder, 48), **settings)
    except (ImportError, OSError) as error:
        raise SkippedError(f"the kernel's text cannot be run on the processor: {error}") from error


def as_numpy(step: tuple[Any, ...]) -> Step:
    """Copy what a step gave to the host: observations, rewards, ends, and the outcomes of its infos."""
    *arrays, infos = step
    return tuple(np.ascontiguousarray(getattr(each, "cpu", lambda e=each: e)()) for each in (*arrays, infos["outcome"]))


def worlds_that_differ(found: Step, expected: Step) -> NDArray[np.bool_]:
    """Say of each world whether any bit of what it showed is another."""
    n = len(expected[0])
    differ = np.zeros(n, dtype=np.bool_)
    for ours, theirs in zip(found, expected, strict=True):
        if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
            raise CheckError(f"a step gives {ours.dtype} {ours.shape}; {theirs.dtype} {theirs.shape} is right")
        a, b = (np.ascontiguousarray(each).view(np.uint8).reshape(n, -1) for each in (ours, theirs))
        differ |= (a != b).any(1)
    return differ


def check_that_damage_shows(step: Step, trials: int = 30) -> int:
    """Flip single bits of what a step gave and see that each is found in its world alone; how many were."""
    rng = np.random.default_rng(0)
    for _ in range(trials):
        place = int(rng.integers(len(step)))
        broken = step[place].copy()
        raw = broken.view(np.uint8).reshape(len(broken), -1)
        world = int(rng.integers(len(broken)))
        raw[world, rng.integers(raw.shape[1])] ^= 1 << int(rng.integers(8))
        found = np.flatnonzero(worlds_that_differ((*step[:place], broken, *step[place + 1 :]), step)).tolist()
        if found != [world]:
            raise CheckError(f"a bit of world {world} was flipped, and the comparison found worlds {found}")
    return trials


def lockstep(target: Target, domain: str, worlds: int, steps: int) -> Figures:
    """Step the same worlds on both sides by the same actions; gives how many steps were compared."""
    from environments.walker2d.vector import WalkerVectorEnv  # noqa: PLC0415

    tasks, settings = tasks_of(domain, worlds), {"source": TaskSource(domain), "episode_limit": EPISODE_LIMIT}
    ours, theirs = on_device(target, tasks, **settings), WalkerVectorEnv(tasks, **settings)
    import torch  # noqa: PLC0415

    differ = worlds_that_differ(_begun(ours.reset(seed=1)), _begun(theirs.reset(seed=1)))
    if differ.any():
        raise CheckError(f"{domain}: {differ.sum()} of {worlds} worlds differ when they begin")
    rng = np.random.default_rng(2)
    held = np.zeros((worlds, 4), dtype=np.float32)
    unequal, first, ends = 0, None, 0
    found: Step = ()
    for step in range(steps):
        # Actions that are held for some steps make walkers stride and fall; fresh ones only tremble.
        renewed = rng.random(worlds) < 0.2
        held[renewed] = rng.uniform(-1.2, 1.2, (int(renewed.sum()), 4))
        actions = held.copy()
        if step % 100 == 50:
            actions[rng.integers(worlds), 2] = np.nan
        found = as_numpy(ours.step(torch.from_numpy(actions).to(target.device)))
        expected = as_numpy(theirs.step(actions))
        ends += int((expected[2] | expected[3]).sum())
        differ = worlds_that_differ(found, expected)
        if differ.any():
            first = first or (step, int(np.flatnonzero(differ)[0]))
            unequal += int(differ.sum())
            for each in (ours, theirs):
                each.reset(seed=7 + step, options={"reset_mask": differ})
    if unequal:
        raise CheckError(f"{domain}: {unequal} of {worlds * steps:,} steps differ, first at step and world {first}")
    flips = check_that_damage_shows(found)
    ours.close()
    return {"steps": worlds * steps, "episodes": ends, "flips_found": flips}


def _begun(reset: tuple[Any, Any]) -> Step:
    return (np.ascontiguousarray(getattr(reset[0], "cpu", lambda: reset[0])()),)


def pace(target: Target, worlds: int, steps: int = 100) -> float:
    """Step worlds by actions that lie on the device already, waiting for nothing; steps a second."""
    import torch  # noqa: PLC0415

    env = on_device(target, tasks_of("walker2d", worlds), source=TaskSource("walker2d"))
    generator = torch.Generator(target.device).manual_seed(0)
    actions = [torch.rand(worlds, 4, generator=generator, device=target.device) * 2 - 1 for _ in range(10)]
    env.reset(seed=0)
    for action in actions:
        env.step(action)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for step in range(steps):
        env.step(actions[step % 10])
    torch.cuda.synchronize()
    spent = time.perf_counter() - began
    env.close()
    return worlds * steps / spent


def check_steps(target: Target, tell: Tell) -> Figures:
    """A million steps of worlds with either lidar equal the native engine's, bit for bit; and how fast they go."""
    figures: Figures = {}
    sizes = {"walker2d": (target.sized(2048, 40), target.sized(500, 300))}
    sizes["walker2d-published"] = (target.sized(256, 10), target.sized(300, 200))
    for domain, (worlds, steps) in sizes.items():
        with counted() as launches:
            found = lockstep(target, domain, worlds, steps)
        if not target.rehearsal:
            check_launched(launches.count, domain)
        tell(f"{domain}: {found['steps']:,} steps of {found['episodes']:,} episodes in {worlds} worlds, all equal; "
             f"{found['flips_found']} flipped bits were all found; {launches.count} launches")  # fmt: skip
        figures[domain] = found
    if not target.rehearsal:
        figures["steps_per_second"] = {worlds: pace(target, worlds) for worlds in (1024, 8192, 65536)}
        for worlds, rate in figures["steps_per_second"].items():
            tell(f"{worlds:,} worlds as tensors, no policy: {rate:,.0f} steps/s")
    return figures
