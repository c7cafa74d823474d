import json
import re
import tracemalloc

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest
import synthetic_archive

from environments.domain import Batch, find_domain
from environments.weights import agent_bytes
from poet.archive.reading import read_population, reading
from poet.report import captions
from poet.report.rendering import Cast, film, scene_of


@pytest.fixture(scope="module")
def run(tmp_path_factory, poet):
    """A walker's run of two short iterations."""
    folder = tmp_path_factory.mktemp("render") / "run"
    short = ("--iterations", 2, "--set", "es.pairs=2", "--set", "episode_limit=40")
    assert poet("evolve", folder, *short, "--workers", 1).returncode == 0
    return folder


def test_gif_moves_and_has_a_frame_for_every_second_step(tmp_path, run, poet):
    done = poet("render", run, 0, "-o", tmp_path / "film.gif", SDL_VIDEODRIVER="dummy")
    assert done.returncode == 0, done.stderr
    assert "40 steps, return" in done.stderr
    frames = iio.imread(tmp_path / "film.gif")
    assert frames.shape == (21, 250 + captions.HEIGHT, 600, 3)
    assert (np.abs(frames[0].astype(int) - frames[-1]) > 30).mean() > 0.002


def test_frames_of_a_gif_share_their_colours_and_look_like_the_drawing(tmp_path, run):
    with reading(run) as connection:
        scene = scene_of(connection, Cast(niche=0), seed=0)
    film(scene, tmp_path / "film.gif")
    frames = iio.imread(tmp_path / "film.gif")
    alone = sum(len(iio.imwrite("<bytes>", frame, extension=".gif")) for frame in frames)
    assert (tmp_path / "film.gif").stat().st_size < alone / 2
    env = scene.domain.make_env(scene.environment, render_mode="rgb_array")
    env.reset(seed=0)
    difference = np.abs(frames[0, : -captions.HEIGHT].astype(int) - env.render())
    assert np.percentile(difference, 99.9) < 16
    assert difference.mean() < 2
    env.close()


def test_mp4_has_a_frame_for_every_step_at_the_simulations_pace(tmp_path, run, poet):
    assert poet("render", run, 0, "-o", tmp_path / "film.mp4").returncode == 0
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "film.mp4"))
    assert frames == 41
    assert seconds == pytest.approx(41 / 50, abs=0.03)


def test_still_shows_moments_two_by_two(tmp_path, run, poet):
    assert poet("render", run, 0, "-o", tmp_path / "still.png").returncode == 0
    assert iio.imread(tmp_path / "still.png").shape == (2 * (250 + captions.HEIGHT) + 8, 2 * 600 + 8, 3)


@pytest.mark.parametrize("ending", ["gif", "mp4"])
def test_filming_holds_few_frames_at_once_and_leaves_nothing_else(tmp_path, run, ending):
    with reading(run) as connection:
        scene = scene_of(connection, Cast(niche=0), seed=0)
    tracemalloc.start()
    take = film(scene, tmp_path / f"film.{ending}")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert take.steps == 40
    assert peak < 12 * 282 * 600 * 3
    assert [path.name for path in tmp_path.iterdir()] == [f"film.{ending}"]


def test_wrong_niche_and_wrong_ending_are_refused(tmp_path, run, poet):
    refused = poet("render", run, 7, "-o", tmp_path / "film.gif")
    assert (refused.returncode, "there is no niche 7; this run has niches 0 to 0" in refused.stderr) == (2, True)
    refused = poet("render", run, 0, "-o", tmp_path / "film.avi")
    assert (refused.returncode, "film.avi ends in .avi; a picture ends in .png" in refused.stderr) == (2, True)
    refused = poet("render", run, 0, "-o", tmp_path / "nowhere" / "film.png")
    assert (refused.returncode, "cannot write" in refused.stderr) == (2, True)


def returned(done):
    assert done.returncode == 0, done.stderr
    return float(re.search(r"return (-?[\d.]+)", done.stderr)[1])


def test_any_agent_is_shown_in_any_environment(tmp_path, poet):
    folder = tmp_path / "run"
    synthetic_archive.write(folder, niches=6, iterations=30)
    with reading(folder) as connection:
        thetas = dict(connection.execute("SELECT niche, best_theta FROM pair").fetchall())
        courses = {niche.id: niche.environment for niche in read_population(connection).niches}
    thetas = {number: np.frombuffer(blob, dtype="<f8").astype(np.float32) for number, blob in thetas.items()}
    file = tmp_path / "agent.safetensors"
    file.write_bytes(agent_bytes(find_domain("walker2d").controller, thetas[5]))

    def expected(agent, course):
        seeds = np.full(1, 3, dtype=np.uint64)
        return find_domain("walker2d").run(Batch.of(thetas[agent][None], courses[course], seeds)).returns[0]

    film, seed = tmp_path / "film.png", ("--seed", 3)
    lines = {
        (2, 2): (2,),
        (4, 2): (2, "--agent-of", 4),
        (5, 1): (1, "--agent", file),
        (3, 0): (3, "--environment", courses[0].to_json()),
    }
    found = {pair: returned(poet("render", folder, *line, "-o", film, *seed)) for pair, line in lines.items()}
    assert found == {pair: pytest.approx(expected(*pair), abs=0.06) for pair in lines}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--agent-of", 99), "there is no niche 99"),
        (("--agent", "missing.safetensors"), "cannot read missing.safetensors"),
        (("--environment", "{}"), "--environment is not an environment"),
        (("--environment", '{"domain":"moon","encoding":"x","genome":{},"seed":0}'), "is one of moon"),
        (("--agent-of", 0, "--agent", "x"), "exclude each other"),
    ],
)
def test_wrong_casts_are_refused_and_nothing_is_written(tmp_path, poet, run, line, message):
    refused = poet("render", run, 0, *line, "-o", tmp_path / "film.png")
    assert refused.returncode == 2
    assert message in refused.stderr
    assert not (tmp_path / "film.png").exists()


@pytest.mark.parametrize(
    ("genome", "seed", "message"),
    [
        ({"foo": 1}, 0, "the genome has a gene 'foo'"),
        ({"pit_gap": [0, 99]}, 0, "pit_gap is"),
        ({}, -1, "seed of an environment is -1"),
    ],
)
def test_wrong_environment_is_refused_and_the_archive_is_not_blamed(tmp_path, run, poet, genome, seed, message):
    text = json.dumps({"domain": "walker2d", "encoding": "parametric", "genome": genome, "seed": seed})
    refused = poet("render", run, 0, "--environment", text, "-o", tmp_path / "a.png")
    assert refused.returncode == 2
    assert "--environment is not an environment" in refused.stderr
    assert message in refused.stderr
    assert "damaged" not in refused.stderr


def test_pictures_tell_time_distance_and_return_of_their_own_moment(tmp_path, run):
    with reading(run) as connection:
        scene = scene_of(connection, Cast(niche=0), seed=0)
    film(scene, tmp_path / "still.png")
    told = iio.imread(tmp_path / "still.png")[-captions.HEIGHT :, -600:]
    env = scene.domain.make_env(scene.environment)
    observation, _ = env.reset(seed=0)
    act, total = scene.domain.controller.policy(scene.theta), 0.0
    for _ in range(40):
        observation, reward, *_ = env.step(act(observation))
        total += reward
    x, _, _ = env.unwrapped.poses()[2]
    start, finish = 20 * 14 / 30 / 2, 190 * 14 / 30  # half of twenty points' pad; ten points before the end

    def line(**changes):
        end = {"step": 40, "score": total, "place": (x - start, finish - start), **changes}
        blank = np.zeros((1, 600, 3), dtype=np.uint8)
        return captions.captioned(blank, captions.Moment(**end), 50)[1:]

    np.testing.assert_array_equal(told, line())
    for other in ({"step": 45}, {"score": total + 0.1}, {"place": (x - start + 0.1, finish - start)}):
        assert (told != line(**other)).any()


def test_caption_leaves_out_the_distance_where_the_environment_does_not_know_it():
    picture = np.full((20, 300, 3), 7, dtype=np.uint8)
    known, unknown = (
        captions.captioned(picture, captions.Moment(step=10, score=-0.04, place=place), 50)
        for place in ((1.0, 2.0), None)
    )
    assert known.shape == unknown.shape == (20 + captions.HEIGHT, 300, 3)
    np.testing.assert_array_equal(unknown[:20], picture)
    middle = slice(int(0.3 * 300), int(0.7 * 300))
    assert (unknown[20:, middle] == unknown[20, 0]).all()
    assert (known[20:, middle] != unknown[20:, middle]).any()
