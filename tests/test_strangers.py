"""Nothing is read or run from the working folder that was not named, and names shared with a user's are said."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jobs import ROOT
from runs import SUPPORT, command, variables

from environments.namesakes import namesake

POET = str(Path(sys.executable).with_name("poet"))
TRAPS = (
    *("multiprocessing", "mpi4py", "numpy", "matplotlib", "torch", "gymnasium", "typer", "rich", "socket", "pickle"),
    *("environments", "evolution", "transfer", "cluster", "meta_learners", "sitecustomize", "pybullet", "Box2D"),
)


@pytest.fixture
def trapped(tmp_path):
    """A stranger's folder: whatever Python imports from it leaves a file `sprung`."""
    folder = tmp_path / "curriculum"
    folder.mkdir()
    for name in TRAPS:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'a').write('{name} ')\n", "utf-8")
    (folder / "matplotlibrc").write_text("figure.facecolor: black\nfont.size: 30\nno.such.key: 1\n", "utf-8")
    return folder


def sprung(tmp_path):
    return (tmp_path / "sprung").read_text(encoding="utf-8") if (tmp_path / "sprung").exists() else ""


def run(lines, folder, **extra):
    return subprocess.run(
        list(map(str, lines)),
        cwd=folder,
        env=variables(**extra),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.png"))
    }


def test_no_command_runs_or_reads_what_lies_in_the_working_folder(tmp_path, toy_file, trapped):
    for line in (
        [POET, "evolve", tmp_path / "run", "--config", toy_file, "--iterations", 5, "--workers", 2],
        [*command("evolve", tmp_path / "run", "--iterations", 6, "--workers", 2)],
        [POET, "inspect", tmp_path / "run"],
    ):
        done = run(line, trapped)
        assert done.returncode == 0, done.stderr
        assert sprung(tmp_path) == ""


def test_doctor_runs_nothing_from_the_working_folder(tmp_path, trapped):
    done = run([POET, "doctor"], trapped)
    assert sprung(tmp_path) == ""
    assert "2 ranks agree" in done.stdout, done.stdout + done.stderr


def test_ranks_of_a_job_run_nothing_from_the_working_folder(tmp_path, toy_file, trapped):
    mpirun = str(Path(sys.executable).with_name("mpirun"))
    lines = [mpirun, *ROOT, "--oversubscribe", "-n", "2", POET, "evolve", tmp_path / "run", "--config", toy_file]
    done = run([*lines, "--iterations", "2"], trapped)
    assert done.returncode == 0, done.stderr
    assert sprung(tmp_path) == ""


def test_pictures_of_a_curriculum_do_not_follow_a_style_file(tmp_path, trapped):
    run_folder, plain = tmp_path / "run", tmp_path / "plain"
    plain.mkdir()
    whole = ["--fractions", "1,0,0"]
    small = ["--preset", "quick", "--iterations", 1, "--workers", 1]
    small += ["--set", "es.pairs=1", "--set", "episode_limit=20", "--set", "score_episodes=1"]
    assert run([POET, "evolve", run_folder, *small], plain).returncode == 0
    for name, folder in (("with", trapped), ("without", plain)):
        done = run([POET, "export", run_folder, "-o", tmp_path / name, *whole], folder)
        assert done.returncode == 0, done.stderr
        assert "matplotlibrc" not in done.stderr
    home = tmp_path / "home"
    home.mkdir()
    (home / "matplotlibrc").write_text("figure.facecolor: black\n", "utf-8")
    assert (
        run([POET, "export", run_folder, "-o", tmp_path / "home_style", *whole], plain, MPLCONFIGDIR=home).returncode
        == 0
    )
    assert len(hashes(tmp_path / "with")) >= 1
    assert hashes(tmp_path / "with") == hashes(tmp_path / "without") == hashes(tmp_path / "home_style")


@pytest.mark.parametrize("name", ["environments", "cluster"])
def test_users_own_package_of_our_name_is_named_in_one_sentence(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("", "utf-8")
    # What an ordinary install finds: path entries before ours, and no hook of an editable install.
    code = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if 'ScikitBuild' not in type(f).__name__]\n"
        f"sys.path[:0] = [{str(tmp_path)!r}]; sys.path.append({str(Path(__file__).parent.parent)!r})\n"
        "import poet.__main__ as program; program.main()"
    )
    done = run([sys.executable, "-P", "-c", code, "--help"], tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert f"POET's own package '{name}'" in done.stderr
    assert f"is hidden by {tmp_path / name / '__init__.py'}" in done.stderr


def test_package_of_ours_that_hides_a_users_own_says_so(tmp_path):
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "mine.py").write_text("", "utf-8")
    paths = os.pathsep.join([str(SUPPORT), str(tmp_path)])
    imported = run([sys.executable, "-P", "-c", "import environments"], tmp_path, PYTHONPATH=paths)
    assert imported.returncode == 1
    assert f"and {tmp_path / 'environments'}, and the first hides the other" in imported.stderr
    done = run([POET, "--help"], tmp_path, PYTHONPATH=paths)
    assert done.returncode == 2
    assert done.stderr.startswith("error: Python's path holds two packages 'environments'")
    assert done.stderr.count("\n") == 1


def test_folders_without_code_and_our_own_are_no_namesakes(tmp_path):
    ours = tmp_path / "a" / "environments"
    for folder in (ours, tmp_path / "b" / "environments"):
        folder.mkdir(parents=True)
    (ours / "__init__.py").write_text("", "utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    path = [str(tmp_path / name) for name in ("a", "b", "link", "missing")]
    assert namesake("environments", ours, path) is None
    (tmp_path / "b" / "environments.py").write_text("", "utf-8")
    assert namesake("environments", ours, path) == tmp_path / "b" / "environments.py"


def test_everything_but_the_hexapod_works_without_pybullet(tmp_path):
    # As if it were not installed: an import of it finds nothing.
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['pybullet'] = None\n", "utf-8")
    paths = os.pathsep.join([str(SUPPORT), str(tmp_path)])
    lines = [POET, "evolve", tmp_path / "hexapod", "--preset", "hexapod", "--iterations", 1]
    refused = run(lines, tmp_path, PYTHONPATH=paths)
    assert refused.returncode == 2
    assert (
        "the hexapod needs PyBullet, which is not installed: pip install 'poet-trailblazer[hexapod]'" in refused.stderr
    )
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "hexapod").exists()
    small = ["--iterations", 1, "--workers", 1, "--set", "es.pairs=1", "--set", "episode_limit=20"]
    walked = run([POET, "evolve", tmp_path / "walker", *small], tmp_path, PYTHONPATH=paths)
    assert walked.returncode == 0, walked.stderr
    said = run([POET, "doctor"], tmp_path, PYTHONPATH=paths).stdout
    assert "fails  hexapod" in said
    said = " ".join(said.split())  # as far as lines go
    assert "pip install 'poet-trailblazer[hexapod]'" in said
