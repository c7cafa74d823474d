"""What is installed: a built wheel has every file that a checkout has, and says what it is; versions come from tags."""

import email
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from runs import variables

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["scikit-build"]["wheel"]["packages"]
LEFT_OUT = (".cpp", ".hpp", "CMakeLists.txt")  # sources of what is compiled


def tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def run(*line, cwd, **extra):
    done = subprocess.run(
        list(map(str, line)), cwd=cwd, capture_output=True, text=True, check=False, timeout=280, env=variables(**extra)
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def test_every_package_tells_type_checkers_that_it_is_typed():
    assert [name for name in PACKAGES if not (ROOT / name / "py.typed").is_file()] == []


def test_every_entry_point_of_ours_names_something():
    for group, entries in PROJECT["project"]["entry-points"].items():
        for name, value in entries.items():
            module, _, attribute = value.partition(":")
            path = ROOT / Path(*module.split("."))
            source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
            assert attribute in source.read_text(encoding="utf-8"), (group, name)


@pytest.mark.slow
def test_a_wheel_has_every_file_of_the_packages_and_says_what_it_offers(tmp_path):
    """Without the native cores, which take minutes; `make evolve` compiles them."""
    source = tmp_path / "source"
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-C", "cmake.define.WALKER_ENGINE=OFF"),
        *("-w", tmp_path, source),
        cwd=tmp_path,
        SETUPTOOLS_SCM_PRETEND_VERSION="7.8.9",
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())
        (info,) = {name.split("/")[0] for name in held if ".dist-info/" in name}
        metadata = email.message_from_bytes(opened.read(f"{info}/METADATA"))
        entries = opened.read(f"{info}/entry_points.txt").decode()
    wanted = {name for name in tracked() if name.split("/")[0] in PACKAGES and not name.endswith(LEFT_OUT)}
    assert {
        "poet/archive/schema.sql",
        "poet/presets/quick.toml",
        "poet/report/page.html",
        "poet/page/style.css",
        "poet/py.typed",
    } <= wanted
    assert wanted - held == set()
    assert {name.split("/")[0] for name in held} == {*PACKAGES, info}
    assert metadata["Version"] == "7.8.9"
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["project"]["optional-dependencies"])
    for group in PROJECT["project"]["entry-points"]:
        assert f"[{group}]" in entries


@pytest.mark.slow
def test_versions_come_from_tags_and_without_any_from_the_fallback(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "setuptools-scm>=8", cwd=tmp_path)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("pyproject.toml", ".git_archival.txt", ".gitattributes"):
        shutil.copy(ROOT / name, checkout / name)

    def git(*line, cwd=checkout):
        who = {f"GIT_{role}_{part}": "a@b" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
        return run("git", *line, cwd=cwd, **who, GIT_CONFIG_GLOBAL=os.devnull)

    def version(folder):
        return run(python, "-m", "setuptools_scm", cwd=folder).strip().splitlines()[-1]

    def archive(name):
        folder = tmp_path / name
        folder.mkdir()
        git("archive", "-o", tmp_path / f"{name}.tar", "HEAD")
        shutil.unpack_archive(tmp_path / f"{name}.tar", folder)
        return folder

    fallback = PROJECT["tool"]["setuptools_scm"]["fallback_version"]
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "-m", "one")
    assert version(checkout).startswith(f"{fallback.rpartition('.')[0]}.")  # counted on from the fallback
    assert version(archive("untagged")) == fallback
    git("tag", "v0.3.0")
    assert version(checkout) == "0.3.0"
    assert version(archive("tagged")) == "0.3.0"
    git("clone", "--quiet", "--depth", "1", "--no-tags", f"file://{checkout}", tmp_path / "shallow", cwd=tmp_path)
    assert version(tmp_path / "shallow").startswith(f"{fallback.rpartition('.')[0]}.")
