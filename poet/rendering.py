"""Pictures and films of an agent in its environment, for any domain whose environment renders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection, Row

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

from environments.domain import Domain, Environment, find_domain
from environments.weights import read_agent
from poet.archive import read_config
from poet.config import Config
from poet.errors import InputError
from poet.rows import niche_from, read_blob

FORMATS = (".png", ".gif", ".mp4")
STILLS = 4  # moments side by side in a PNG
STILL_GAP = 8  # pixels between them
GIF_STRIDE = 2  # browsers show at most 50 frames a second, and files stay small
Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Film:
    """One episode: its frames, (n, height, width, 3), and what it returned."""

    frames: Frame
    score: float
    fps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who is filmed where: a niche's own pair, unless told otherwise."""

    niche: int
    agent_of: int | None = None  # another niche
    agent_file: Path | None = None
    environment: str | None = None  # JSON text


def film(connection: Connection, cast: Cast, seed: int) -> Film:
    """Play one episode.

    Raises:
        InputError: there is no such niche, agent or environment, or the agent has not been scored yet.
    """
    config = read_config(connection)
    domain = find_domain(config.domain)
    env = domain.make_env(_environment(connection, cast, config), render_mode="rgb_array")
    act = domain.controller.policy(_theta(connection, cast, domain))
    rewards: list[float] = []

    def play() -> Iterator[Frame]:
        observation, _ = env.reset(seed=seed)
        yield _frame(env.render())
        for _ in range(config.episode_limit):
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            rewards.append(float(reward))
            yield _frame(env.render())
            if terminated or truncated:
                return

    frames = np.stack(list(play()))
    env.close()
    return Film(frames, sum(rewards), int(env.metadata["render_fps"]))


def _niche(connection: Connection, number: int) -> Row:
    row: Row | None = connection.execute(
        "SELECT niche.*, best_theta FROM niche JOIN pair ON pair.niche = niche.id WHERE niche.id = ?", (number,)
    ).fetchone()
    if row is None:
        (count,) = connection.execute("SELECT count(*) FROM niche").fetchone()
        raise InputError(f"there is no niche {number}; this run has niches 0 to {count - 1}")
    return row


def _environment(connection: Connection, cast: Cast, config: Config) -> Environment:
    niche = niche_from(_niche(connection, cast.niche)).environment
    if cast.environment is None:
        return niche
    try:
        environment = Environment.from_json(cast.environment)
        if environment.domain == config.domain:
            find_domain(config.domain).make_env(environment).close()  # checks genome and seed
    except ValueError as error:
        raise InputError(f"--environment is not an environment: {error}") from error
    if environment.domain != config.domain:
        raise InputError(f"--environment is one of {environment.domain}; the run's agents live in {config.domain}")
    return environment


def _theta(connection: Connection, cast: Cast, domain: Domain) -> NDArray[np.float32]:
    if cast.agent_file is not None:
        try:
            return read_agent(cast.agent_file, domain.controller)
        except ValueError as error:
            raise InputError(str(error)) from error
    number = cast.niche if cast.agent_of is None else cast.agent_of
    blob = _niche(connection, number)["best_theta"]
    if blob is None:
        raise InputError(f"niche {number} has no scored agent yet; wait for the first iteration")
    return read_blob(blob).astype(np.float32)


def check_format(path: Path) -> None:
    """Raise InputError unless a file's ending names a format that `write` knows."""
    if path.suffix not in FORMATS:
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}; a picture ends in {', '.join(FORMATS)}")


def write(shown: Film, path: Path) -> None:
    """Write a film as GIF or MP4, or moments of it side by side as PNG.

    Raises:
        InputError: the ending is another, or the file cannot be written.
    """
    check_format(path)
    try:
        if path.suffix == ".png":
            iio.imwrite(path, _strip(shown.frames))
        elif path.suffix == ".gif":
            iio.imwrite(path, shown.frames[::GIF_STRIDE], duration=1000 * GIF_STRIDE / shown.fps, loop=0)
        else:
            iio.imwrite(path, shown.frames, fps=shown.fps, codec="libx264", macro_block_size=2)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def _frame(rendered: object) -> Frame:
    return np.asarray(rendered, dtype=np.uint8)


def _strip(frames: Frame) -> Frame:
    moments = np.linspace(0, len(frames) - 1, STILLS).round().astype(int)
    framed = [np.pad(frames[moment], ((0, 0), (0, STILL_GAP), (0, 0)), constant_values=255) for moment in moments]
    return np.concatenate(framed, axis=1)[:, :-STILL_GAP]
