"""Meta-learners on the card: PPO, RL², ProMP and MAML train, in bfloat16 too, and resume to the same bits.

Learners compute on the device and their worlds are stepped there, where the commands offer it. Trainings run side by
side; each is a command of ours in a process of its own.
"""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.gpu_check.agreement import course
from benchmarks.gpu_check.commands import poet
from benchmarks.gpu_check.runs import flipped
from benchmarks.gpu_check.target import CheckError, Figures, Target, Tell
from environments.tasks.curriculum import FORMAT, SCHEMA_VERSION, seal

# What makes matrix products of one shape come out alike: cuBLAS then has workspaces of its own.
SAME_BITS = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
STEPS, HALF = 4, 2  # meta-steps
TRAININGS = {
    "ppo": ("ppo", ["--set", "steps=100"]),
    "rl2": ("rl2", ["--set", "hidden=32", "--set", "episodes=2"]),
    "promp": ("promp", ["--set", "steps=60"]),
    "maml-trpo": ("maml", ["--set", "steps=60"]),
    "promp-bfloat16": ("promp", ["--set", "steps=60", "--set", "precision=bfloat16"]),
}
USUAL = ["--tasks", 4, "--copies", 4, "--episode-limit", 60]


def make_curriculum(place: Path) -> Path:
    """Write by hand what an export of three environments would be: two to train on and one to test on."""
    tasks = [course({"roughness": 0.1 * i}, seed=i) for i in range(3)]
    ids = [task.id for task in tasks]
    document = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "domain": {"name": tasks[0].domain},
        "environments": {task.id: json.loads(task.to_json()) for task in tasks},
        "splits": {"members": {"train": ids[:2], "validation": [], "test": ids[2:]}},
        "stages": {"order": ids},
        "files": {},
    }
    folder = place / "curriculum"
    folder.mkdir(parents=True)
    (folder / "curriculum.json").write_text(json.dumps(seal(document)), encoding="utf-8")
    return folder


def state_of(folder: Path) -> bytes:
    """Read the newest checkpoint's tensors."""
    (*_, newest) = sorted(folder.glob("checkpoint-*.safetensors"))
    return newest.read_bytes()


def metrics_of(folder: Path) -> list[dict[str, float]]:
    """Read a row a meta-step."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def check_finite(rows: list[dict[str, float]]) -> None:
    """Raise CheckError unless there is a row for each meta-step and every number in them is finite."""
    if len(rows) != STEPS:
        raise CheckError(f"there are {len(rows)} rows of metrics; {STEPS} meta-steps were made")
    for row in rows:
        broken = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
        if broken:
            raise CheckError(f"{', '.join(broken)} is not finite")


def check_one(target: Target, curriculum: Path, place: Path, name: str) -> Figures:
    """Train once without a stop and once with one; compare all of the learners' bits; test what was trained."""
    learner, settings = TRAININGS[name]
    whole, parted = place / f"{name}-whole", place / f"{name}-parted"

    def train(folder: Path, steps: int) -> None:
        words = ["--learner", learner, "-o", folder, "--iterations", steps, *USUAL, *settings]
        poet("meta-train", curriculum, *words, "--device", target.device, **SAME_BITS).must()

    train(whole, STEPS)
    train(parted, HALF)
    early = state_of(parted)
    train(parted, STEPS)
    check_finite(metrics_of(whole))
    if state_of(parted) == early or flipped(early) == early:
        raise CheckError(
            "four meta-steps and two came to the same state: nothing was learned, or the comparison is blind"
        )
    if state_of(parted) != state_of(whole):
        raise CheckError(f"{name}: a training of {STEPS} meta-steps and one resumed after {HALF} have different bits")
    tested = ["--adaptations", "0,1", "--episodes", 1, "--worlds", 1]
    rows = json.loads(poet("meta-test", whole, *tested, "--device", target.device, "--json", **SAME_BITS).must())
    last = {key: value for key, value in metrics_of(whole)[-1].items() if "return" in key}
    return {"state_bytes": len(early), "last": last, "tested": bool(rows)}


def check_learners(target: Target, tell: Tell, place: Path) -> Figures:
    """Train every kind of learner; all of them are tried, and the failure names those that failed."""
    curriculum = make_curriculum(place)
    figures: Figures = {}
    failed = {}
    with ThreadPoolExecutor(target.sized(5, 2)) as pool:
        found = {name: pool.submit(check_one, target, curriculum, place, name) for name in TRAININGS}
        for name, future in found.items():
            try:
                figures[name] = future.result()
                tell(f"{name}: trains on {target.device}, resumes to the same bits, is tested")
            except CheckError as error:
                failed[name] = str(error)
                tell(f"{name}: FAILS: {error}")
    if failed:
        raise CheckError("; ".join(f"{name}: {error}" for name, error in failed.items()))
    return figures
