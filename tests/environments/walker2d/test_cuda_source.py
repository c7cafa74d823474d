"""The GPU's kernel without a GPU: its text run on the host equals the native engine, and NVRTC compiles it.

What a card makes of it is not tested here.
"""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from walkers import COURSES, course

from environments.walker2d import native
from environments.walker2d.simulator import CONTROLLER

SOURCE = Path(native.__file__).parent
SUPPORT = Path(__file__).parents[2] / "support"
WALKER = Path(__file__).parents[3] / "benchmarks" / "walker.npy"
TOO_MANY_CONTACTS = 4
FLAGS = ["-std=c++20", "-O2", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]

pytestmark = [
    pytest.mark.skipif(native.problem() is not None, reason=str(native.problem())),
    pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++"),
]


def build(folder, contacts):
    """Compile the kernel for the host, its worlds holding so many contacts."""
    shared = ["-DWALKER_NATIVE=1", "-DWALKER_LANES=1", f"-DWALKER_CONTACTS={contacts}", "-DWALKER_BLOCK=64"]
    library = folder / f"contacts_{contacts}.so"
    objects = []
    for source, kernel in ((SUPPORT / "cuda_on_host.cpp", "device"), (SOURCE / "course.cpp", "host")):
        objects.append(folder / f"{source.stem}_{contacts}.o")
        command = ["g++", *FLAGS, "-fPIC", "-c", f"-I{SOURCE}", *shared, f"-DWALKER_KERNEL={kernel}"]
        subprocess.run([*command, str(source), "-o", str(objects[-1])], check=True)
    subprocess.run(["g++", "-shared", "-pthread", *map(str, objects), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library)).play_on_host


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return build(tmp_path_factory.mktemp("cuda"), 256)


def play(kernel, terrain, thetas, pushes, threads=3, limit=150, published=False):
    """Give returns, lengths and outcomes of the GPU's kernel on the host."""
    n = len(thetas)
    ground, boxes = (np.ascontiguousarray(part, dtype=np.float64) for part in (terrain.ground, terrain.boxes))
    found = np.empty(n), np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int8)
    forces = pushes.astype(np.float32)
    arrays = [part.ctypes.data_as(ctypes.c_void_p) for part in (ground, boxes, thetas, forces, *found)]
    kernel(
        arrays[0], len(ground), arrays[1], len(boxes), arrays[2], arrays[3], n, limit, threads, published, *arrays[4:]
    )
    return found


def population(n):
    """Controllers of every skill, a sick one among them, and their pushes."""
    rng = np.random.default_rng(7)
    walker = np.load(WALKER)
    thetas = [walker + scale * rng.standard_normal(walker.size) for scale in rng.choice([0.0, 0.05, 0.5], n)]
    thetas[1] = np.full(CONTROLLER.parameters, np.nan)
    return np.stack(thetas).astype(np.float32), rng.uniform(-5, 5, n)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("name", COURSES)
def test_the_kernels_text_run_on_the_host_equals_the_native_engine(whole, name, published):
    terrain, (thetas, pushes) = course(name, 4), population(12)
    expected = native.core.rollout(
        [native.build_course(terrain)], np.zeros(len(thetas), np.int32), thetas, pushes, 150, published_lidar=published
    )
    for ours, theirs in zip(play(whole, terrain, thetas, pushes, published=published), expected, strict=False):
        np.testing.assert_array_equal(ours, theirs)


def test_worlds_with_more_contacts_than_a_build_holds_say_so_and_the_others_are_right(whole, tmp_path):
    terrain, (thetas, pushes) = course("everything", 4), population(24)
    expected = play(whole, terrain, thetas, pushes)
    found = play(build(tmp_path, 14), terrain, thetas, pushes)
    spilt = found[2] == TOO_MANY_CONTACTS
    assert 0 < spilt.sum() < len(spilt)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours[~spilt], theirs[~spilt])


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["sm_80", "sm_120"])
def test_nvrtc_compiles_the_kernel(architecture):
    core = pytest.importorskip("cuda.core", reason="cuda-core is not installed")
    options = core.ProgramOptions(
        std="c++20",
        arch=architecture,
        fma=False,
        ftz=False,
        prec_div=True,
        prec_sqrt=True,
        device_as_default_execution_space=True,
        include_path=[str(SOURCE)],
        define_macro=[
            ("WALKER_KERNEL", "device"),
            ("WALKER_NATIVE", "1"),
            ("WALKER_LANES", "1"),
            ("WALKER_CONTACTS", "48"),
            ("WALKER_BLOCK", "64"),
        ],
    )
    text = (SOURCE / "walker.cu").read_text(encoding="utf-8")
    assert b"play_episodes" in bytes(core.Program(text, "c++", options).compile("cubin").code)
