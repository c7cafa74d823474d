"""Pictures and films of an agent in its environment, for any domain whose environment renders."""

from __future__ import annotations

import os
from collections.abc import Container, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection, Row

import imageio.v3 as iio
import numpy as np
from imageio_ffmpeg import write_frames
from numpy.typing import NDArray
from PIL import Image

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
GIF_COLOURS = 255  # and one that is transparent, for what a frame leaves as it was
GIF_MOMENTS = 4  # of the episode, whose colours serve for all of it: frames stream, and are smaller without their own
Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who is filmed where: a niche's own pair, unless told otherwise."""

    niche: int
    agent_of: int | None = None  # another niche
    agent_file: Path | None = None
    environment: str | None = None  # JSON text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One episode to play: it comes out the same every time."""

    domain: Domain
    environment: Environment
    theta: NDArray[np.float32]  # (P,)
    episode_limit: int
    seed: int


@dataclass(slots=True)
class Take:
    """What an episode came to."""

    steps: int = 0
    score: float = 0.0


def scene_of(connection: Connection, cast: Cast, seed: int) -> Scene:
    """Find who is filmed where.

    Raises:
        InputError: there is no such niche, agent or environment, or the agent has not been scored yet.
    """
    config = read_config(connection)
    domain = find_domain(config.domain)
    return Scene(
        domain=domain,
        environment=_environment(connection, cast, config),
        theta=_theta(connection, cast, domain),
        episode_limit=config.episode_limit,
        seed=seed,
    )


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
    """Raise InputError unless a file's ending names a format that `film` knows, and the file can be written."""
    if path.suffix not in FORMATS:
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}; a picture ends in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")
    aside = _aside(path)
    try:
        aside.touch()
        aside.unlink()
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")


def film(scene: Scene, path: Path) -> Take:
    """Film an episode as GIF or MP4, or moments of it side by side as PNG; frames are never held all at once.

    The file is written aside and renamed.

    Raises:
        InputError: the ending is another, or the file cannot be written.
    """
    check_format(path)
    aside = _aside(path)
    try:
        take = _stills(scene, aside) if path.suffix == ".png" else _moving(scene, aside)
        aside.replace(path)
    except OSError as error:
        # ffmpeg's own complaint has its command line and pages of its log.
        raise InputError(f"cannot write {path}: {error.strerror or 'the encoder failed'}") from error
    finally:
        aside.unlink(missing_ok=True)
    return take


def _moving(scene: Scene, path: Path) -> Take:
    take, fps = Take(), _frames_per_second(scene)
    palette = _palette(scene) if path.suffix == ".gif" else None
    stride = 1 if palette is None else GIF_STRIDE
    writer = None
    for _, frame in _play(scene, take, range(0, scene.episode_limit + 1, stride)):
        if writer is None:
            writer = _writer(path, (frame.shape[1], frame.shape[0]), fps / stride)
            writer.send(None)
        writer.send(frame.tobytes() if palette is None else _indexed(frame, palette))
    assert writer is not None  # the start is always drawn
    writer.close()
    return take


def _writer(path: Path, size: tuple[int, int], fps: float) -> Generator[None, bytes | None, None]:
    if path.suffix == ".gif":
        coding = {"codec": "gif", "pix_fmt_in": "pal8", "pix_fmt_out": "pal8", "macro_block_size": 1}
    else:
        coding = {"codec": "libx264", "macro_block_size": 2}
    writer: Generator[None, bytes | None, None] = write_frames(str(path), size, fps=fps, **coding)
    return writer


def _palette(scene: Scene) -> Image.Image:
    """Choose the colours of a film from moments of it."""
    frames, _ = _moments(scene, GIF_MOMENTS)
    return Image.fromarray(np.concatenate([frame[::2] for frame in frames])).quantize(
        GIF_COLOURS, dither=Image.Dither.NONE
    )


def _indexed(frame: Frame, palette: Image.Image) -> bytes:
    """Write a frame as ffmpeg's pal8: a byte a pixel, then 256 colours as blue, green, red and opacity."""
    pixels = Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
    known = np.array(palette.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)[:GIF_COLOURS, ::-1]
    colours = np.zeros((256, 4), dtype=np.uint8)
    colours[: len(known), :3], colours[: len(known), 3] = known, 255
    return pixels.tobytes() + colours.tobytes()


def _stills(scene: Scene, path: Path) -> Take:
    frames, whole = _moments(scene, STILLS)
    framed = [np.pad(frame, ((0, 0), (0, STILL_GAP), (0, 0)), constant_values=255) for frame in frames]
    iio.imwrite(path, np.concatenate(framed, axis=1)[:, :-STILL_GAP])
    return whole


def _moments(scene: Scene, count: int) -> tuple[list[Frame], Take]:
    """Draw so many moments of an episode, from its start to its end, and tell what it came to."""
    whole = Take()
    for _ in _play(scene, whole, ()):
        pass
    moments = np.linspace(0, whole.steps, count).round().astype(int).tolist()
    frames = dict(_play(scene, Take(), moments))
    return [frames[moment] for moment in moments], whole


def _frames_per_second(scene: Scene) -> int:
    env = scene.domain.make_env(scene.environment, render_mode="rgb_array")
    env.close()
    return int(env.metadata["render_fps"])


def _play(scene: Scene, take: Take, wanted: Container[int]) -> Iterator[tuple[int, Frame]]:
    """Play an episode, count it in `take`, and draw the wanted of its steps, 0 being the start."""
    env = scene.domain.make_env(
        scene.environment, render_mode="rgb_array" if wanted else None, episode_limit=scene.episode_limit
    )
    try:
        act = scene.domain.controller.policy(scene.theta)
        observation, _ = env.reset(seed=scene.seed)
        over = False
        while True:
            if take.steps in wanted:
                yield take.steps, np.asarray(env.render(), dtype=np.uint8)
            if over:
                return
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            take.steps += 1
            take.score += float(reward)
            over = terminated or truncated
    finally:
        env.close()
