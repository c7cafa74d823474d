"""Write an archive of any size without evolving: what readers of archives are timed and tested on.

    python benchmarks/synthetic_archive.py RUN [--niches 1000] [--iterations 60000]

Genomes mutate as they do in a run; scores, transfers and agents are drawn at
random. Checkpoints of agents are left out, which only make the file larger.
"""

from __future__ import annotations

import argparse
import json
import math
import sqlite3
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from environments.domain import Environment, find_domain
from poet.archive import checksums
from poet.archive.best import agent_id
from poet.archive.rescoring import EPISODES
from poet.archive.store import Archive
from poet.config import Config, build
from poet.population import first_population

KINDS = ("direct", "fine-tuned")
TRANSFER_EVERY, CHILDREN = 25, 8
SOLVED = 230.0
FIGURES = ("es_mean", "es_deviation", "es_best", "gradient_norm", "theta_norm", "sigma", "step_size")


@dataclass(frozen=True)
class Life:
    """One niche's place in the run."""

    id: int
    environment: Environment
    parent: int | None
    born: int
    retired: int | None
    height: float  # the score it approaches
    pace: float  # iterations in which it comes 63 % of the way

    def score(self, iteration: int) -> float:
        age = iteration - self.born
        return self.height - (self.height - 60) * math.exp(-age / self.pace) + 6 * math.sin(iteration * 0.7 + self.id)


def write(folder: Path, niches: int, iterations: int, capacity: int = 20, seed: int = 0) -> None:
    """Make a run's folder with an archive of so many niches and iterations."""
    settings = {
        "seed": seed,
        "iterations": iterations,
        "encoding": {"options": {"kinds": ["roughness", "pit", "stump"]}},
        "reproduction": {"whole_archive": True},
    }
    config = build(settings, "benchmark")
    Archive.create(folder, config, first_population(config)).close()
    lives = _lives(config, niches, iterations, capacity, np.random.default_rng(seed))
    connection = sqlite3.connect(folder / "archive.sqlite", isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    for table in ("agent", "state", "pair", "niche"):
        connection.execute(f"DELETE FROM {table}")
    _fill(connection, lives, iterations, np.random.default_rng(seed + 1))
    checksums.fill(connection)
    connection.execute("COMMIT")
    connection.close()


def _lives(config: Config, niches: int, iterations: int, capacity: int, rng: np.random.Generator) -> list[Life]:
    encoding = config.make_encoding()
    births = [round(number * iterations / niches) for number in range(niches)]
    genomes, lives = [encoding.initial()], []
    for number, born in enumerate(births):
        parent = None if number == 0 else int(rng.integers(max(0, number - capacity), number))
        if parent is not None:
            genomes.append(encoding.mutate(genomes[parent], rng))
        terrain_seed = int(rng.integers(10**6))
        environment = Environment(domain="walker2d", encoding="parametric", genome=genomes[number], seed=terrain_seed)
        retired = births[number + capacity] if number + capacity < niches else None
        height, pace = float(rng.uniform(150, 320)), iterations * capacity / niches / 3
        lives.append(Life(number, environment, parent, born, retired, height, pace))
    return lives


def _fill(connection: sqlite3.Connection, lives: list[Life], iterations: int, rng: np.random.Generator) -> None:
    _insert(connection, "niche", (_niche(life, iterations) for life in lives))
    pairs = [_pair(life, iterations, rng) for life in lives]
    _insert(connection, "pair", iter(pairs))
    _insert(connection, "state", _states(lives, rng))
    _insert(connection, "rescore", _rescores(lives, pairs))
    _insert(connection, "iteration", ((i, _count(lives, i), 0) for i in range(iterations)))
    purposes = (("optimise", 10_240, 9_000_000), ("score", 100, 90_000))
    _insert(connection, "cost", ((i, *purpose) for i in range(iterations) for purpose in purposes))
    connection.execute("INSERT INTO figure_names VALUES (1, ?)", (json.dumps(FIGURES),))
    _insert(connection, "score", _scores(lives, iterations))
    _insert(connection, "child", _children(lives))
    connection.execute("INSERT INTO session VALUES (1, 'host', 1, 256, '0.1.0', '2026-01-01T00:00:00.000+00:00')")
    when = "2026-01-01T00:00:00.000+00:00"
    _insert(connection, "timing", ((i, 1, 14.0 + math.sin(i / 900), when) for i in range(iterations)))
    for iteration in range(TRANSFER_EVERY - 1, iterations, TRANSFER_EVERY):
        active = _active(lives, iteration)
        targets = [_transfer(life, active, iteration, rng) for life in active if len(active) > 1]
        _insert(connection, "transfer", iter(targets))
        _insert(connection, "proposal", _proposals(active, iteration))


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    width = len(connection.execute(f"PRAGMA table_info({table})").fetchall())
    connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows)


def _niche(life: Life, iterations: int) -> tuple[Any, ...]:
    environment, end = life.environment, iterations if life.retired is None else life.retired
    solved = next((i for i in range(life.born, end, 10) if life.score(i) >= SOLVED), None)
    genome = json.dumps(environment.genome, sort_keys=True)
    place = (environment.id, environment.domain, environment.encoding, genome, environment.seed)
    return (life.id, *place, life.parent, life.born, life.retired, solved, _archive_score(life))


def _archive_score(life: Life) -> float | None:
    """Every third newcomer is too easy for some agent of the past."""
    if life.parent is None:
        return None
    return 60.0 if life.id % 3 else 400.0


def _pair(life: Life, iterations: int, rng: np.random.Generator) -> tuple[Any, ...]:
    last = (iterations if life.retired is None else life.retired) - 1
    size = find_domain("walker2d").controller.parameters
    theta = rng.normal(0, 0.1, size).astype("<f8").tobytes()
    return (life.id, theta, life.score(last), life.height + 6, last, theta)


def _states(lives: list[Life], rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    size = find_domain("walker2d").controller.parameters
    for life in lives:
        for name in ("first_moment", "second_moment"):
            yield (life.id, name, f"[{size}]", rng.normal(0, 0.1, size).astype("<f8").tobytes())
        for name, number in {"updates": 100, "step_size": 0.01, "sigma": 0.1}.items():
            yield (life.id, name, "[]", np.array(number, dtype="<f8").tobytes())


def _rescores(lives: list[Life], pairs: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Fresh episodes of the best agents, as a run that has ended has them."""
    for life, pair in zip(lives, pairs, strict=True):
        agent = agent_id(np.frombuffer(pair[-1], dtype="<f8").astype(np.float32))
        for episode in range(EPISODES):
            yield (life.id, episode, agent, life.height - 20 + 40 * math.sin(episode + life.id), 900, 0)


def _scores(lives: list[Life], iterations: int) -> Iterator[tuple[Any, ...]]:
    for life in lives:
        for i in range(life.born, iterations if life.retired is None else life.retired):
            score = life.score(i)
            told = struct.pack("<7d", score - 20, 15.0, score + 30, 4.0, 9.0, 0.05, 0.01)
            yield (life.id, i, score, 3, 1, 1, 0, 900, 1, told)


def _children(lives: list[Life]) -> Iterator[tuple[Any, ...]]:
    for life in lives[1:]:
        environment, genome = life.environment.id, json.dumps(life.environment.genome, sort_keys=True)
        for number in range(CHILDREN):
            admitted = number == 0
            decision = "admitted" if admitted else "too hard for its parent's agent"
            fate = (0.1, life.parent, "fine-tuned", 61.0, life.id) if admitted else (None, None, None, None, None)
            yield (life.born, number, life.parent, environment, genome, life.environment.seed, decision, 55.0, *fate)


def _active(lives: list[Life], iteration: int) -> list[Life]:
    # Births are evenly spaced, so the active ones stand together.
    return [life for life in lives if life.born <= iteration and (life.retired is None or iteration < life.retired)]


def _count(lives: list[Life], iteration: int) -> int:
    born = math.ceil((iteration + 1) * len(lives) / (lives[-1].born * len(lives) / max(len(lives) - 1, 1) or 1))
    return min(born, 20)


def _transfer(life: Life, active: list[Life], iteration: int, rng: np.random.Generator) -> tuple[Any, ...]:
    others = [other for other in active if other.id != life.id]
    if rng.random() > 0.45:
        return (iteration, life.id, life.score(iteration), None, None, None)
    source, kind = others[rng.integers(len(others))], KINDS[rng.integers(2)]
    return (iteration, life.id, life.score(iteration), source.id, kind, life.score(iteration) + 5)


def _proposals(active: list[Life], iteration: int) -> Iterator[tuple[Any, ...]]:
    for target in active:
        for source in active:
            if source.id != target.id:
                yield from ((iteration, target.id, source.id, kind, 40.0) for kind in KINDS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--niches", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=60_000)
    options = parser.parse_args()
    started = time.perf_counter()
    write(options.run, options.niches, options.iterations)
    size = (options.run / "archive.sqlite").stat().st_size
    print(f"{options.run}: {size / 2**20:.0f} MiB in {time.perf_counter() - started:.0f} s")
