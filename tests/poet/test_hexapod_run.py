"""A tiny run of the hexapod through every command that a run has, as the walker's go."""

import json
from base64 import b64decode

import imageio.v3 as iio
import numpy as np
import pytest
from browser import chromium, open_page
from runs import dump

from environments.domain import Batch, find_domain
from environments.hexapod3d.body import BODY
from environments.sketch import StickRecording
from environments.tasks.curriculum import Curriculum
from poet.archive.reading import read_population, reading
from poet.report import captions
from poet.report.data import LENGTH_UNIT, gather

TINY = (
    "--preset=hexapod",
    "--set=iterations=4",
    "--set=episode_limit=30",
    "--set=score_episodes=1",
    "--set=es.pairs=2",
    "--set=minimal_criterion.lower=-200",
    "--set=minimal_criterion.upper=400",
    "--set=reproduction.every=1",
    "--set=reproduction.parent_score=-200",
    "--set=reproduction.children=2",
    "--set=transfer.every=2",
)


def evolve(poet, folder, *more):
    done = poet("evolve", folder, *TINY, *more)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, poet):
    return evolve(poet, tmp_path_factory.mktemp("hexapod") / "run", "--workers", 1)


def test_two_workers_write_the_archive_that_one_writes(made, tmp_path, poet):
    assert dump(evolve(poet, tmp_path / "run", "--workers=2")) == dump(made)


def test_cppn_ground_evolves_too(tmp_path, poet):
    folder = evolve(poet, tmp_path / "run", "--set=encoding.name=cppn", "--workers=1")
    listed = json.loads(poet("inspect", folder, "niches", "--json").stdout)
    assert len(listed) >= 2
    assert any("relief" in niche["description"] for niche in listed)


def test_niches_are_listed_with_genome_and_difficulty(made, poet):
    listed = json.loads(poet("inspect", made, "niches", "--json").stdout)
    assert len(listed) == 4
    assert listed[0]["description"] == "flat"
    assert listed[0]["difficulty"] == 0 < listed[-1]["difficulty"]


def test_render_writes_four_moments(made, tmp_path, poet):
    path = tmp_path / "strip.png"
    done = poet("render", made, 1, "-o", path)
    assert done.returncode == 0, done.stderr
    assert iio.imread(path).shape == (2 * (360 + captions.HEIGHT) + 8, 2 * 540 + 8, 3)


def test_export_gives_tasks_with_maps_that_can_be_played(made, tmp_path, poet):
    folder = tmp_path / "curriculum"
    done = poet("export", made, "-o", folder, "--fractions", "1,0,0")
    assert done.returncode == 0, done.stderr
    assert (folder / "pictures" / "courses.png").stat().st_size > 10_000
    assert "poet/Hexapod3D-v0" in (folder / "README.md").read_text(encoding="utf-8")
    env = Curriculum.load(folder).make_env()
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[0].shape == (70,)
    env.close()


def test_every_agent_is_evaluated_on_every_niche(made, poet):
    done = poet("evaluate", made, "--niches", "--episodes", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert "niche 3" in done.stdout


def test_the_report_draws_maps_and_stick_figures(made, tmp_path, poet):
    path = tmp_path / "report.html"
    done = poet("report", made, "-o", path, "--films", 1)
    assert done.returncode == 0, done.stderr
    colours = """const c = document.querySelector(arguments[0]);
        const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
        return new Set(d).size;"""
    with chromium(tmp_path / "profile") as browser:
        open_page(browser, path)
        for canvas in ("#film-canvas", ".niche canvas"):
            browser.execute_script("document.querySelector(arguments[0]).scrollIntoView()", canvas)
            browser.execute_async_script("setTimeout(arguments[0], 150)")
            assert browser.execute_script(colours, canvas) > 3, canvas
        assert browser.get_log("browser") == []


def test_the_report_keeps_the_ground_and_the_episode_to_within_its_unit(made):
    with reading(made) as connection:
        told = gather(connection, "run", 1)
        environments = [niche.environment for niche in read_population(connection).niches]
    relief = told["courses"][-1]["relief"]
    sketch = find_domain("hexapod3d").sketch(environments[-1])
    heights = np.frombuffer(b64decode(relief["heights"]), dtype="<i2") * relief["unit"]
    assert relief["unit"] < LENGTH_UNIT / 20
    np.testing.assert_allclose(heights.reshape(relief["shape"]), sketch.relief.heights, atol=relief["unit"])
    np.testing.assert_allclose(sketch.ground[:, 1], sketch.relief.heights[:, 24])
    (film,) = told["films"].values()
    assert film["points"] == 4 + 4 * len(BODY.legs)


def test_a_recording_is_the_episode_that_a_rollout_scores(made):
    domain = find_domain("hexapod3d")
    with reading(made) as connection:
        environment = read_population(connection).niches[-1].environment
    theta = np.zeros(domain.controller.parameters, dtype=np.float32)
    recording = domain.record(environment, theta, 3, 40)
    assert isinstance(recording, StickRecording)
    scored = domain.run(Batch.of(theta[None], environment, np.array([3], dtype=np.uint64)), episode_limit=40)
    assert recording.score == scored.returns[0]
    assert recording.gauge.returns[-1] == recording.score
    trunk = recording.points[:, :4, 0].mean(axis=1)
    np.testing.assert_allclose(recording.gauge.distances, trunk, atol=1e-12)
    assert recording.gauge.course == 8.0
    assert len(recording.points) == scored.lengths[0] + 1
    legs = recording.points[:, 4:].reshape(len(recording.points), -1, 4, 3)
    legs[:, :, 3, 2] += BODY.foot_radius  # from the sole to the foot's middle
    lengths = np.linalg.norm(np.diff(legs, axis=2), axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to([s.length for s in BODY.segments], lengths.shape), atol=1e-9)
