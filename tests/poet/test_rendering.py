import subprocess

import imageio.v3 as iio
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


@pytest.mark.parametrize("ending", ["gif", "mp4"])
def test_film_has_a_frame_for_each_step_and_moves(tmp_path, run, poet, ending):
    path = tmp_path / f"film.{ending}"
    done = poet("render", run, 0, "-o", path, SDL_VIDEODRIVER="dummy")
    assert done.returncode == 0, done.stderr
    assert "40 steps, return" in done.stderr
    frames = iio.imread(path)
    assert len(frames) == (21 if ending == "gif" else 41)
    assert frames[0].shape == (400, 600, 3)
    assert (np.abs(frames[0].astype(int) - frames[-1]) > 30).mean() > 0.002


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
