import subprocess

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest
from runs import command, variables


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A walker's run of two short iterations."""
    folder = tmp_path_factory.mktemp("render") / "run"
    lines = command("evolve", folder, "--iterations", 2, "--set", "es.pairs=2", "--set", "episode_limit=40")
    subprocess.run([*lines, "--workers", "1"], env=variables(), capture_output=True, check=True)
    return folder


def test_gif_moves_and_has_a_frame_for_every_second_step(tmp_path, run, poet):
    done = poet("render", run, 0, "-o", tmp_path / "film.gif", SDL_VIDEODRIVER="dummy")
    assert done.returncode == 0, done.stderr
    assert "40 steps, return" in done.stderr
    frames = iio.imread(tmp_path / "film.gif")
    assert frames.shape == (21, 400, 600, 3)
    assert (np.abs(frames[0].astype(int) - frames[-1]) > 30).mean() > 0.002


def test_mp4_has_a_frame_for_every_step_at_the_simulations_pace(tmp_path, run, poet):
    assert poet("render", run, 0, "-o", tmp_path / "film.mp4").returncode == 0
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "film.mp4"))
    assert frames == 41
    assert seconds == pytest.approx(41 / 50, abs=0.03)


def test_still_shows_moments_side_by_side(tmp_path, run, poet):
    assert poet("render", run, 0, "-o", tmp_path / "still.png").returncode == 0
    assert iio.imread(tmp_path / "still.png").shape == (400, 2400, 3)


def test_wrong_niche_and_wrong_ending_are_refused(tmp_path, run, poet):
    refused = poet("render", run, 7, "-o", tmp_path / "film.gif")
    assert (refused.returncode, "there is no niche 7; this run has niches 0 to 0" in refused.stderr) == (2, True)
    refused = poet("render", run, 0, "-o", tmp_path / "film.avi")
    assert (refused.returncode, "film.avi ends in .avi; a picture ends in .png" in refused.stderr) == (2, True)
    refused = poet("render", run, 0, "-o", tmp_path / "nowhere" / "film.png")
    assert (refused.returncode, "cannot write" in refused.stderr) == (2, True)
