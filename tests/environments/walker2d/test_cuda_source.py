"""The GPU's engine without a GPU: all of it but the card, which is the host here, equals the native engine.

The kernel's text, the launcher, NVIDIA's Python bindings and the cache are the real ones; `fake_cuda.cpp` answers in
the driver's place. NVRTC compiles the same text for cards. What a card makes of it is not tested here.
"""

import ctypes
import shutil
import subprocess
import sys

import fake_card
import numpy as np
import pytest
from runs import command
from walkers import COURSES

from environments.domain import Batch, Environment
from environments.walker2d import native
from environments.walker2d.device import episodes, toolchain
from environments.walker2d.simulator import CONTROLLER

ROOT = fake_card.SUPPORT.parents[1]
WALKER = ROOT / "benchmarks" / "walker.npy"
FIELDS = ("returns", "lengths", "outcomes")
TIGHT = 14  # contacts that are too few for some worlds

pytestmark = [
    pytest.mark.skipif(native.problem() is not None, reason=str(native.problem())),
    pytest.mark.skipif(toolchain.problem() is not None, reason=str(toolchain.problem())),
]
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")


def tasks(*domains):
    """Every course, some of them for a body that is hidden."""
    bodies = {"rough": {"motors": 0.7, "gravity": 8.0}, "pits": {"delay": 2, "lidar": 0, "load": 1.5, "legs": 0.9}}
    return tuple(
        Environment(
            domain=domain,
            encoding="parametric",
            genome=genome.to_json() | ({"physics": bodies[name]} if name in bodies else {}),
            seed=4,
        )
        for domain in domains
        for name, genome in COURSES.items()
    )


def population(n, *domains):
    """Controllers of every skill, a sick one among them, on all courses."""
    rng = np.random.default_rng(7)
    walker = np.load(WALKER)
    thetas = [walker + scale * rng.standard_normal(walker.size) for scale in rng.choice([0.0, 0.05, 0.5], n)]
    thetas[1] = np.full(CONTROLLER.parameters, np.nan)
    there = tasks(*domains)
    places = rng.integers(0, len(there), n)
    return Batch(np.stack(thetas).astype(np.float32), there, places, rng.integers(0, 2**63, n).astype(np.uint64))


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    fake_card.build(folder, (TIGHT, episodes.MOST_CONTACTS))
    return folder


def assert_equal(found, batch, limit):
    expected = native.run_native(batch, limit)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@needs_compiler
def test_all_of_the_engine_but_the_card_equals_the_native_engine(card):
    mixed, one = population(90, "walker2d", "walker2d-published"), population(3, "walker2d")
    none = one.rows(np.zeros(0, dtype=np.intp))
    roomy = [(mixed, 110, episodes.MOST_CONTACTS), (one, 1, episodes.MOST_CONTACTS), (none, 9, TIGHT)]
    spilling = [(mixed, 110, TIGHT), (mixed.rows(np.arange(40)), 90, TIGHT)]
    results, log = fake_card.play(card, roomy + spilling)
    for found, (batch, limit, _) in zip(results, roomy + spilling, strict=True):
        assert_equal(found, batch, limit)
    # One launch for each lidar; where the list of contacts is too small, another for each with what did not fit.
    assert len([line for line in log if "launch" in line]) == 2 + 1 + 0 + 4 + 4
    assert log[0] == "context 0"


@needs_compiler
def test_what_does_not_fit_into_the_memory_goes_in_parts_and_few_spilt_worlds_go_to_the_processor(card):
    batch = population(70, "walker2d")
    memory = 3_700_000  # of which the threads' stacks take 2.2 MB
    (found,), log = fake_card.play(card, [(batch, 60, TIGHT)], FAKE_CUDA_MEMORY=str(memory), POET_CUDA_FEWEST="70")
    assert_equal(found, batch, 60)
    assert len([line for line in log if "launch" in line]) > 1


PROBLEMS = """
import os
from environments.walker2d.device import driver
def told(**variables):
    for name in list(os.environ):
        if name.startswith("FAKE_CUDA"):
            del os.environ[name]
    os.environ.update(variables)
    driver.found.cache_clear(), driver.problem.cache_clear()
    print(driver.problem())
told(FAKE_CUDA_VERSION="12040")
told(FAKE_CUDA_INIT="999")
told(FAKE_CUDA_COUNT="0")
told(FAKE_CUDA_CAPABILITY="61")
told(FAKE_CUDA_CAPABILITY="250")
told(FAKE_CUDA_COUNT="2")
print(driver.describe())
print(driver.mine())
os.environ["POET_CREW"] = str(os.getpid())
print(*(driver.mine.__wrapped__() for _ in range(3)))
os.environ["FAKE_CUDA_FIRST"] = "2"  # what a scheduler shows to another rank
driver.found.cache_clear()
print(*(driver.mine.__wrapped__() for _ in range(3)))
card = driver.card(1)
try:
    card.room(2**40)
except driver.CardMemoryError as error:
    print(error)
try:
    card.load(b"no binary of ours", "play_episodes")
except driver.CardError as error:
    print(error)
"""


@needs_compiler
def test_every_problem_is_told_in_a_sentence_and_a_crew_shares_the_cards_out(card):
    env = {**fake_card.os.environ, **fake_card.variables(card)}
    done = subprocess.run([sys.executable, "-c", PROBLEMS], env=env, capture_output=True, text=True, check=True)
    newest = toolchain.architectures()[-1]
    assert done.stdout.splitlines() == [
        "the NVIDIA driver supports CUDA 12.4, and CUDA 13.0 is needed: install driver 580 or newer",
        "the NVIDIA driver does not start: its cuInit returns error 999",
        "the NVIDIA driver sees no GPU",
        "the GPU Fake H100 is of architecture sm_61, and sm_75 or newer is needed",
        f"the GPU Fake H100 is of architecture sm_250, which this NVRTC, up to {newest}, does not know; "
        "install a newer nvidia-cuda-nvrtc",
        "None",
        "Fake H100 (sm_90), Fake H100 (sm_90)",
        "0",
        "0 1 None",
        "0 1 None",
        "the GPU Fake H100 failed at giving 1,099,511,627,776 bytes (CUDA_ERROR_OUT_OF_MEMORY: out of memory)",
        "the GPU Fake H100 failed at loading a kernel (CUDA_ERROR_SOME: unspecified launch failure)",
    ]


def test_a_batch_is_handed_out_by_environments_those_of_long_episodes_first():
    batch = population(200, "walker2d")
    expected = [50.0, 300.0, 50.0, 400.0, 10.0, 300.0]
    order = episodes.ordered(batch, expected)
    assert sorted(order) == list(range(200))
    assert list(dict.fromkeys(batch.places[order].tolist())) == [3, 1, 5, 0, 2, 4]
    for place in range(6):
        rows = order[batch.places[order] == place]
        assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize("nodes", [0, 450])
def test_a_plan_takes_whole_warps_and_no_more_memory_than_there_is(nodes):
    thread = episodes.COLUMN_BYTES + episodes.NODE_BYTES * nodes
    for count in (1, 31, 33, 5000, 10**6):
        for resident in (64, 50_688):
            for free in (10**5, 10**6, 10**8, 7 * 10**10):
                plan = episodes.planned(count, resident, free, nodes)
                if plan is None:
                    assert free // 2 < episodes.BLOCK * thread
                    continue
                assert plan.threads % episodes.BLOCK == 0
                assert episodes.BLOCK <= plan.threads <= max(resident, -(-count // 32) * 32)
                assert plan.threads * thread + plan.rows * episodes.ROW_BYTES <= free
                assert 1 <= plan.rows <= count
    assert episodes.planned(1000, 64, 10**9, nodes) == episodes.Plan(64, 1000)
    assert episodes.planned(1000, 64, 10**9, nodes, patient=False) == episodes.Plan(64, 64)


def test_what_the_launcher_hands_over_has_the_kernels_layout():
    # The kernel's own assertions, which every compiler checks, name the same numbers.
    assert ctypes.sizeof(episodes.Launch) == 104
    assert (episodes.Launch.taken.offset, episodes.Launch.nodes.offset) == (80, 100)
    assert len(native.walker_model()) == 976
    shapes, starts, items, tree, model, _, _ = native.course_of(tasks("walker2d")[0]).parts()
    count = len(native.course_of(tasks("walker2d")[0]))
    assert (len(shapes), len(tree)) == (120 * count, 32 * (2 * count + 2 * 5))
    assert model == b""  # the ordinary walker's
    assert max(np.frombuffer(items, np.int32)) == count - 1
    assert np.frombuffer(starts, np.int32)[-1] == len(items) // 4
    assert CONTROLLER.parameters == episodes.PARAMETERS


@pytest.fixture
def small_kernel(tmp_path, monkeypatch):
    """A kernel that compiles in no time, and an empty cache."""
    source = tmp_path / "native"
    source.mkdir()
    (source / "small.hpp").write_text("#define TWO 2\n")
    (source / "small.cu").write_text(
        '#include "small.hpp"\nextern "C" __global__ void twice(float* x) { *x *= TWO; }\n'
    )
    monkeypatch.setattr(toolchain, "SOURCE", source)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return source


def test_a_binary_is_compiled_once_and_again_when_it_is_damaged_or_its_text_changes(small_kernel, monkeypatch):
    compiled, calls = toolchain.compiled, []
    monkeypatch.setattr(toolchain, "compiled", lambda *made_of: calls.append(made_of) or compiled(*made_of))

    def binary(architecture="sm_90", **macros):
        return toolchain.binary("small.cu", architecture, macros)

    code = binary()
    assert code.startswith(b"\x7fELF")
    assert b"twice" in code
    assert binary() == code
    assert len(calls) == 1
    path = toolchain.kept_at("small.cu", "sm_90", {})
    for damaged in (path.read_bytes()[:-1], b"", path.read_bytes().replace(b"twice", b"thrice")):
        path.write_bytes(damaged)
        assert binary() == code
    assert len(calls) == 4
    assert len({binary("sm_80"), binary(THREE="3"), code}) >= 2
    (small_kernel / "small.hpp").write_text("#define TWO 2.5f\n")
    assert binary() != code
    assert len(calls) == 7


def test_a_cache_that_cannot_be_written_costs_time_alone(small_kernel, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert toolchain.binary("small.cu", "sm_90", {}).startswith(b"\x7fELF")
    assert "the compiled kernel is not kept" in caplog.text


def test_what_cannot_be_compiled_is_told_in_a_sentence(small_kernel):
    with pytest.raises(toolchain.CompilerError, match=r"compiles for architectures from sm_75 to .*, not for sm_10$"):
        toolchain.binary("small.cu", "sm_10", {})
    (small_kernel / "small.cu").write_text("nonsense")
    with pytest.raises(toolchain.CompilerError, match=r"^NVRTC [\d.]+ refused small.cu for sm_90: .*error"):
        toolchain.binary("small.cu", "sm_90", {})


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_120"])
def test_nvrtc_compiles_the_kernel(architecture):
    code, takes = toolchain.compiled(episodes.SOURCE, architecture, episodes.macros(episodes.CONTACTS))
    assert episodes.KERNEL.encode() in code
    assert takes.registers <= 65_536 // (12 * episodes.BLOCK)  # twelve warps a multiprocessor
    assert takes.stack < 24_000


def evolve(folder, workers, card=None, engine=None, **extra):
    """Evolve a tiny run; its exit status, what it said, and the figures of its archive."""
    engines = [] if engine is None else ["--set", f"engine={engine}"]
    settings = {"es.pairs": 8, "episode_limit": 60, "score_episodes": 2, "reproduction.every": 2}
    chosen = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    resumed = [] if folder.exists() else [*chosen, "--seed", "3", "--iterations", "3"]
    env = {**fake_card.os.environ, **(fake_card.variables(card, **extra) if card else {})}
    line = command("evolve", folder, "--workers", workers, *engines, *resumed)
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
    shown = subprocess.run(command("inspect", folder, "--json", "--pairs"), capture_output=True, text=True, check=False)
    return done.returncode, done.stderr + done.stdout, shown.stdout


@pytest.mark.slow
@needs_compiler
def test_a_run_is_the_same_on_a_card_whatever_the_workers_and_goes_on_without_one(tmp_path):
    card = tmp_path / "card"
    card.mkdir()
    fake_card.build(card, (episodes.CONTACTS, episodes.MOST_CONTACTS))
    status, _, expected = evolve(tmp_path / "processor", 1)
    assert status == 0
    for workers in (1, 3):
        (card / "log").write_text("")
        assert evolve(tmp_path / f"card_{workers}", workers, card)[::2] == (0, expected)
        log = (card / "log").read_text()
        assert log.count("context") == 1  # one process has the card, though others work beside it
        assert log.count("launch") > 0
    for workers, launches in ((1, 3), (2, 0)):
        folder = tmp_path / f"lost_{workers}"
        status, said, _ = evolve(folder, workers, card, "cuda", FAKE_CUDA_LAUNCHES=str(launches))
        assert status == 1
        assert "error: the GPU Fake H100 failed at computing (CUDA_ERROR_LAUNCH_FAILED" in said
        assert "resume with: poet evolve" in said
        status, said, _ = evolve(folder, 1)
        assert status == 2
        assert "engine is 'cuda', but there is no NVIDIA driver" in said
        assert evolve(folder, 1, engine="native")[::2] == (0, expected)
