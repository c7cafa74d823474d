"""Pictures and films of an agent in its environment, for any domain whose environment renders."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from sqlite3 import Connection

import imageio.v3 as iio
import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from numpy.typing import NDArray
from PIL import Image

from cluster.executor import InProcess
from environments.controller import Controller
from environments.domain import Domain, Environment, find_domain
from environments.equipped import equip
from environments.files import BROKEN, check_file, writing
from environments.sketch import Surveyed
from evolution.evaluator import Evaluator
from evolution.requests import Simulation
from poet.agents import read_agent_file
from poet.archive.best import BestAgent, best_agent
from poet.archive.reading import read_config
from poet.archive.rescoring import Fresh, cached, play
from poet.config import Config
from poet.errors import InputError
from poet.report import captions
from poet.report.captions import Frame, Moment, captioned

FORMATS = (".png", ".gif", ".mp4")
STILLS, STILL_COLUMNS = 4, 2  # moments in a PNG, and how many side by side
STILL_GAP = 8  # pixels between them
GIF_STRIDE = 2  # browsers show at most 50 frames a second, and files stay small
GIF_COLOURS = 255  # and one that is transparent, for what a frame leaves as it was
CAPTION_COLOURS = 12  # of them
GIF_MOMENTS = 4  # of the episode, whose colours serve for all of it: frames stream, and are smaller without their own
# What ffmpeg is told of the frames that it is sent, and of the film.
GIF = "pal8", ["-vcodec", "gif", "-pix_fmt", "pal8", "-qscale:v", "16"]
MP4 = "rgb24", ["-vcodec", "libx264", "-pix_fmt", "yuv420p", "-crf", "25"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who is filmed where: a niche's own pair, unless told otherwise."""

    niche: int
    agent_of: int | None = None  # another niche
    agent_file: Path | None = None
    activations: tuple[str, str] | None = None  # of the file's agent, where the file does not say
    environment: str | None = None  # JSON text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One episode to play: it comes out the same every time."""

    domain: Domain
    environment: Environment
    theta: NDArray[np.float32]  # (P,)
    episode_limit: int
    seed: int
    episode: str  # what to call it: which one it is, of how many
    progress: Callable[[int, int], None] | None = None  # told of the steps played, out of the limit


@dataclass(slots=True)
class Take:
    """What an episode came to."""

    steps: int = 0
    score: float = 0.0


def scene_of(connection: Connection, cast: Cast, seed: int | None) -> Scene:
    """Find who is filmed where, and in which episode: the median of the agent's fresh ones, unless a seed is given.

    Raises:
        InputError: there is no such niche, agent or environment.
    """
    config = read_config(connection)
    domain, theta = _agent(connection, cast, config)
    agent = BestAgent(cast.niche, _environment(connection, cast, config), theta)
    episode = f"seed {seed}"
    if seed is None:
        fresh = _fresh(connection, cast, agent, replace(config.simulation(), controller=_other(domain, config)))
        seed = fresh.median_seed
        episode = f"the median of {fresh}, seed {seed}"
    return Scene(
        domain=domain,
        environment=agent.environment,
        theta=agent.theta,
        episode_limit=config.episode_limit,
        seed=seed,
        episode=episode,
    )


def _environment(connection: Connection, cast: Cast, config: Config) -> Environment:
    niche = best_agent(connection, cast.niche).environment
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


def _agent(connection: Connection, cast: Cast, config: Config) -> tuple[Domain, NDArray[np.float32]]:
    """Find an agent, and the domain as such agents live in it."""
    domain = config.make_domain()
    if cast.agent_file is not None:
        agent = read_agent_file(cast.agent_file, config.domain, cast.activations)
        return equip(find_domain(config.domain), agent.controller), agent.theta
    return domain, best_agent(connection, cast.niche if cast.agent_of is None else cast.agent_of).theta


def _other(domain: Domain, config: Config) -> Controller | None:
    """Give a domain's controller if it is not the body's own."""
    return None if domain.controller == find_domain(config.domain).controller else domain.controller


def _fresh(connection: Connection, cast: Cast, agent: BestAgent, simulation: Simulation) -> Fresh:
    """Find the fresh episodes of an agent in an environment, or play them."""
    known = cached(connection).get(cast.niche)
    same = cast.environment is None and simulation.controller == read_config(connection).simulation().controller
    if same and known is not None and known.agent == agent.id:
        return known
    return play(Evaluator(simulation, InProcess()), [agent])[cast.niche]


def check_format(path: Path) -> None:
    """Raise InputError or PlaceError unless a file's ending names a format that `film` knows and it can be written."""
    if path.suffix not in FORMATS:
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}; a picture ends in {', '.join(FORMATS)}")
    check_file(path)


def film(scene: Scene, path: Path) -> Take:
    """Film an episode as GIF or MP4, or moments of it side by side as PNG; frames are never held all at once.

    Every frame tells time, distance and return. The file is written aside and renamed.

    Raises:
        InputError: the ending is another.
        PlaceError: the file cannot be written there.
        DiskError: the disk is full or broken; an older film is kept.
    """
    check_format(path)
    with writing(path) as aside:
        return _stills(scene, aside) if path.suffix == ".png" else _moving(scene, aside)


def _moving(scene: Scene, path: Path) -> Take:
    take, fps = Take(), _frames_per_second(scene)
    palette = _palette(scene, fps) if path.suffix == ".gif" else None
    stride = 1 if palette is None else GIF_STRIDE
    with ExitStack() as stack:
        write = None
        for moment, picture in _play(scene, take, range(0, scene.episode_limit + 1, stride)):
            frame = captioned(picture, moment, fps)
            if write is None:
                write = stack.enter_context(_encoder(path, (frame.shape[1], frame.shape[0]), Fraction(fps, stride)))
            write(frame.tobytes() if palette is None else _indexed(frame, palette))
    return take


@contextmanager
def _encoder(path: Path, size: tuple[int, int], fps: Fraction) -> Iterator[Callable[[bytes], object]]:
    """Give what takes a film's frames, one after another; a film that was not written whole raises OSError."""
    pixels, coding = GIF if path.suffix == ".gif" else MP4
    raw = ["-f", "rawvideo", "-vcodec", "rawvideo", "-s", f"{size[0]}x{size[1]}", "-pix_fmt", pixels, "-r", str(fps)]
    even = ["-vf", "scale=ceil(iw/2)*2:ceil(ih/2)*2"] if path.suffix == ".mp4" and (size[0] % 2 or size[1] % 2) else []
    command = [get_ffmpeg_exe(), "-y", "-v", "error", *raw, "-i", "-", "-an", *coding, *even, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin is not None  # it was asked for
        whole = False
        try:
            with suppress(BrokenPipeError):  # it has ended early, and what it ended with tells why
                yield ffmpeg.stdin.write
                whole = True
            _, complaint = ffmpeg.communicate()
        except BaseException:
            ffmpeg.kill()
            with suppress(OSError):
                ffmpeg.stdin.close()
            raise
    if ffmpeg.returncode or not whole:
        raise _failure(ffmpeg.returncode, complaint.decode(errors="replace").strip())


def _failure(status: int, complaint: str) -> OSError:
    """Say what ended ffmpeg, whose status does not."""
    if status == -signal.SIGXFSZ:
        return OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    for number in BROKEN:
        if os.strerror(number) in complaint:
            return OSError(number, os.strerror(number))
    return OSError(f"ffmpeg ended with status {status}: {complaint.rpartition(chr(10))[2]}")


def _palette(scene: Scene, fps: int) -> Image.Image:
    """Choose the colours of a film from moments of it."""
    frames, _ = _moments(scene, GIF_MOMENTS, fps)
    # The line of text has colours of its own, lest it take them from the picture.
    pictures = _colours([frame[: -captions.HEIGHT] for frame in frames], GIF_COLOURS - CAPTION_COLOURS)
    colours = pictures + _colours([frame[-captions.HEIGHT :] for frame in frames], CAPTION_COLOURS)
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    return palette


def _colours(frames: Sequence[Frame], count: int) -> list[int]:
    """Choose at most so many colours for some pictures: red, green and blue of each in turn."""
    chosen = Image.fromarray(np.concatenate(frames)).quantize(count, dither=Image.Dither.NONE)
    return (chosen.getpalette("RGB") or [])[: 3 * count]


def _indexed(frame: Frame, palette: Image.Image) -> bytes:
    """Write a frame as ffmpeg's pal8: a byte a pixel, then 256 colours as blue, green, red and opacity."""
    pixels = Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
    known = np.array(palette.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)[:GIF_COLOURS, ::-1]
    colours = np.zeros((256, 4), dtype=np.uint8)
    colours[: len(known), :3], colours[: len(known), 3] = known, 255
    return pixels.tobytes() + colours.tobytes()


def _stills(scene: Scene, path: Path) -> Take:
    frames, whole = _moments(scene, STILLS, _frames_per_second(scene))
    path.write_bytes(iio.imwrite("<bytes>", _tiled(frames), extension=".png"))
    return whole


def _tiled(frames: Sequence[Frame]) -> Frame:
    """Lay frames out in lines of `STILL_COLUMNS`, first to last as text is read."""
    framed = [np.pad(frame, ((0, STILL_GAP), (0, STILL_GAP), (0, 0)), constant_values=255) for frame in frames]
    lines = [np.concatenate(framed[i : i + STILL_COLUMNS], axis=1) for i in range(0, len(framed), STILL_COLUMNS)]
    return np.concatenate(lines)[:-STILL_GAP, :-STILL_GAP]


def _moments(scene: Scene, count: int, fps: int) -> tuple[list[Frame], Take]:
    """Draw so many moments of an episode, from its start to its end, and tell what it came to."""
    whole = Take()
    for _ in _play(scene, whole, ()):
        pass
    moments = np.linspace(0, whole.steps, count).round().astype(int).tolist()
    frames = {moment.step: captioned(picture, moment, fps) for moment, picture in _play(scene, Take(), moments)}
    return [frames[moment] for moment in moments], whole


def _frames_per_second(scene: Scene) -> int:
    env = scene.domain.make_env(scene.environment, render_mode="rgb_array")
    env.close()
    return int(env.metadata["render_fps"])


def _play(scene: Scene, take: Take, wanted: Container[int]) -> Iterator[tuple[Moment, Frame]]:
    """Play an episode, count it in `take`, and draw the wanted of its steps, 0 being the start."""
    env = scene.domain.make_env(
        scene.environment, render_mode="rgb_array" if wanted else None, episode_limit=scene.episode_limit
    )
    course = env.unwrapped
    try:
        act = scene.domain.controller.policy(scene.theta)
        observation, _ = env.reset(seed=scene.seed)
        over = False
        while True:
            if take.steps in wanted:
                place = (course.distance, course.course) if isinstance(course, Surveyed) else None
                moment = Moment(step=take.steps, score=take.score, place=place)
                yield moment, np.asarray(env.render(), dtype=np.uint8)
            if over:
                return
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            take.steps += 1
            if scene.progress is not None:
                scene.progress(take.steps, scene.episode_limit)
            take.score += float(reward)
            over = terminated or truncated
    finally:
        env.close()
