"""What is attacked: small valid inputs, made once, and for each reader the commands that read them."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzz import mutations
from cluster.executor import InProcess
from environments.tasks.curriculum import seal
from evolution.evaluator import Evaluator
from poet.algorithm import evolve
from poet.archive.reading import reading
from poet.archive.store import Archive
from poet.config import build
from poet.export.curriculum import ExportSettings, export
from poet.export.splits import Fractions
from poet.population import first_population

RUN, CURRICULUM, TRAINING, AGENT = "run", "curriculum", "training", "agent.safetensors"
SETTINGS = {
    "iterations": 4,
    "episode_limit": 12,
    "score_episodes": 1,
    "es": {"pairs": 2},
    "minimal_criterion": {"lower": -500.0, "upper": 500.0},
    "reproduction": {"every": 1, "parent_score": -500.0, "children": 2, "admitted": 1, "capacity": 2},
    "transfer": {"every": 1},
    "archive": {"checkpoint_every": 2},
}
TRAINED = ("--learner", "ppo", "--tasks", "1", "--copies", "1", "--iterations", "1", "--set", "hidden=4")


@dataclass(frozen=True, slots=True)
class Case:
    """One damaged input and the command that reads it."""

    arguments: list[str]
    keeps: tuple[str, ...]  # what must be as it was afterwards, below the folder

    @property
    def writes(self) -> bool:
        """Whether it may go on with what it is given, where that is right: then it must keep what it refuses."""
        return self.arguments[:1] in (["evolve"], ["meta-train"])


@dataclass(frozen=True, slots=True)
class Target:
    """One reader: `damage` changes the inputs in a folder of its own and says what to run there."""

    name: str
    needs: tuple[str, ...]
    damage: Callable[[Path, random.Random], Case]


def make_inputs(folder: Path) -> None:
    """Make a small run, its curriculum, an agent and a training."""
    config = build(SETTINGS, "the fuzzer's settings")
    archive = Archive.create(folder / RUN, config, first_population(config))
    evaluator = Evaluator(config.simulation(), InProcess())
    for population, journal in evolve(archive.population, config, evaluator):
        archive.commit(population, journal, 1.0, 1)
    archive.close()
    (folder / RUN / "lock").unlink(missing_ok=True)
    with reading(folder / RUN) as connection:
        export(connection, folder / CURRICULUM, ExportSettings(fractions=Fractions((1.0, 0.0, 0.0))))
    shutil.copyfile(next((folder / CURRICULUM / "agents").glob("*.safetensors")), folder / AGENT)
    line = ["meta-train", str(folder / CURRICULUM), "-o", str(folder / TRAINING), *TRAINED]
    subprocess.run([sys.executable, "-m", "poet", *line], check=True, capture_output=True)


def _archive(folder: Path, rng: random.Random) -> Case:
    path = folder / RUN / "archive.sqlite"
    if rng.randrange(3):
        mutations.change_database(path, rng)
    else:
        path.write_bytes(mutations.flip(path.read_bytes(), rng))
    run, out = str(folder / RUN), folder / "out"
    lines = [
        *[["inspect", run, view] for view in ("summary", "niches", "lineage", "transfers", "metrics", "timing")],
        ["inspect", run, "niche", str(rng.randrange(4))],
        ["inspect", run, "niches", "--sort", "roughness", "--where", "best_score>-500"],
        ["evaluate", run, "--niches", "--episodes", "1", "--workers", "1"],
        ["report", run, "-o", f"{out}.html", "--films", "1"],
        ["render", run, str(rng.randrange(4)), "-o", f"{out}.png"],
        ["evolve", run, "--iterations", "5", "--workers", "1"],
    ]
    # Pictures of an export take a second.
    line = ["export", run, "-o", str(out)] if rng.randrange(40) == 0 else rng.choice(lines)
    return Case(line, (RUN,))


def _settings(folder: Path, rng: random.Random) -> Case:
    path = folder / RUN / "config.toml"
    table = build(SETTINGS, "the fuzzer's settings").to_table()
    options: list[str] = []
    if rng.randrange(4):
        for _ in range(rng.choice((1, 1, 2))):
            table = mutations.change(table, rng)
        text = mutations.to_toml(table)
    else:
        text = mutations.flip(path.read_bytes(), rng)
    if rng.randrange(2):
        path = folder / "settings.toml"
        options = ["--config", str(path)]
    path.write_bytes(text)
    # The run is done, so that most of what is accepted ends at once.
    return Case(["evolve", str(folder / RUN), *options], (RUN, *([path.name] if options else [])))


def _assignments(folder: Path, rng: random.Random) -> Case:
    keys = ["seed", "es", "es.pairs", "es.sigma", "encoding.options.start", "encoding.options.kinds", "a.b.c", "", "."]
    key = (
        rng.choice(keys)
        if rng.randrange(4)
        else rng.choice((".".join("a" * 3000), "\x1b[31m", "[/x]", "=", "a" * 5000))
    )
    text = mutations.to_json(mutations.value(rng)).decode("utf-8", "replace")
    if rng.randrange(3) == 0:
        text = mutations.flip(text.encode(), rng).decode("utf-8", "surrogateescape")
    return Case(["evolve", str(folder / RUN), "--set", f"{key}={text}"], (RUN,))


def _agent(folder: Path, rng: random.Random) -> Case:
    path = folder / AGENT
    change = mutations.change_safetensors if rng.randrange(3) else mutations.flip
    path.write_bytes(change(path.read_bytes(), rng))
    return Case(_evaluation(folder, path), (AGENT, CURRICULUM))


def _evaluation(folder: Path, agent: Path) -> list[str]:
    where = ["--curriculum", str(folder / CURRICULUM), "--split", "train"]
    return ["evaluate", str(agent), *where, "--episodes", "1", "--workers", "1"]


def _curriculum(folder: Path, rng: random.Random) -> Case:
    place = folder / CURRICULUM
    document = place / "curriculum.json"
    kind = rng.randrange(6)
    if kind == 0:
        document.write_bytes(mutations.flip(document.read_bytes(), rng))
    elif kind == 1:
        rows = place / "tasks.jsonl"
        rows.write_bytes(mutations.change_lines(rows.read_bytes(), rng))
        _reseal(document, lambda tree: tree["files"].update({rows.name: _fingerprint(rows)}))
    else:
        tree = json.loads(document.read_bytes())
        part = rng.choice([key for key in tree if key != "sha256"])
        tree[part] = mutations.change(tree[part], rng)
        changed = json.loads(mutations.to_json(tree)) if _readable(tree) else tree
        document.write_bytes(mutations.to_json(seal(changed) if changed is not tree else tree))
    return Case(_evaluation(folder, folder / AGENT), (CURRICULUM, AGENT))


def _readable(tree: object) -> bool:
    try:
        json.loads(mutations.to_json(tree))
    except (ValueError, RecursionError):
        return False
    return True


def _reseal(document: Path, edit: Callable[[dict[str, dict[str, object]]], None]) -> None:
    tree = json.loads(document.read_bytes())
    edit(tree)
    document.write_text(json.dumps(seal(tree)), encoding="utf-8")


def _fingerprint(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _training(folder: Path, rng: random.Random) -> Case:
    place = folder / TRAINING
    files = [place / name for name in ("training.json", "checkpoints.json", "metrics.jsonl")]
    path = rng.choice([*files, *place.glob("checkpoint-*.safetensors")])
    data = path.read_bytes()
    if rng.randrange(3) == 0:
        changed = mutations.flip(data, rng)
    elif path.suffix == ".jsonl":
        changed = mutations.change_lines(data, rng)
    elif path.suffix == ".json":
        changed = mutations.change_json(data, rng)
    else:
        changed = mutations.change_safetensors(data, rng)
    path.write_bytes(changed)
    if path.suffix == ".safetensors" and rng.randrange(2):
        entries = json.loads((place / "checkpoints.json").read_bytes())
        entries[-1]["sha256"] = hashlib.sha256(changed).hexdigest()
        (place / "checkpoints.json").write_text(json.dumps(entries), encoding="utf-8")
    if rng.randrange(2):
        return Case(["meta-train", str(folder / CURRICULUM), "-o", str(place), *TRAINED], (TRAINING, CURRICULUM))
    tested = ["--split", "train", "--adaptations", "0", "--episodes", "1", "--repeats", "1"]
    return Case(["meta-test", str(place), "--curriculum", str(folder / CURRICULUM), *tested], (TRAINING, CURRICULUM))


def _environment(folder: Path, rng: random.Random) -> Case:
    tree = {"domain": "walker2d", "encoding": "parametric", "genome": {"roughness": 1.0, "pit_gap": [1, 2]}, "seed": 1}
    text = mutations.to_json(mutations.change(tree, rng)).decode("utf-8", "replace")
    if rng.randrange(4) == 0:
        text = mutations.flip(text.encode(), rng).decode("utf-8", "surrogateescape")
    line = ["render", str(folder / RUN), "0", "-o", str(folder / "out.png"), "--environment", text]
    return Case(line, (RUN,))


WORDS = (
    "", "-", "--", "x", "0", "1", "-1", "1.5", "nan", "inf", "1e400", "9" * 400, "9" * 5000, str(2**63), "1000000000",
    "a" * 5000, "a/" * 3000, "\x1b[31m", "[/x]", "\udcff", "/dev/null", "/proc/self/mem", "/", ".", "..", "x.png",
    "x.html", "x.safetensors", "0,1", "0,1000000000000", ",", "1,0,0", "nan,nan,nan", "roughness>=1", "a>1", "cuda:99",
    "{", "{}", "--help", "true",
)  # fmt: skip
COMMANDS = {
    "evolve": ("--preset", "--config", "--set", "--iterations", "--seed", "--workers", "--json"),
    "inspect": ("--state", "--search", "--where", "--sort", "--descending", "--limit", "--json"),
    "render": ("-o", "--agent-of", "--agent", "--environment", "--seed"),
    "export": ("-o", "--split-by", "--fractions", "--stage-order", "--seed", "--json"),
    "report": ("-o", "--films"),
    "evaluate": ("--suite", "--niches", "--curriculum", "--split", "--agents", "--episodes", "--seed", "--engine",
                 "--workers", "--plot", "--json"),
    "meta-train": ("--learner", "-o", "--iterations", "--tasks", "--copies", "--episode-limit", "--open-over", "--set",
                   "--seed", "--device", "--threads", "--save-every"),
    "meta-test": ("--curriculum", "--split", "--suite", "--adaptations", "--episodes", "--repeats", "--seed",
                  "--device", "--threads"),
    "no-such": ("--x",),
}  # fmt: skip
FLAGS = ("--json", "--niches", "--descending")
# A valid line for each command, to which one wrong thing is done.
VALID: dict[str, Callable[[Path], list[str]]] = {
    "evolve": lambda at: [str(at / RUN), "--workers", "1"],
    "inspect": lambda at: [str(at / RUN), "niches"],
    "render": lambda at: [str(at / RUN), "0", "-o", str(at / "out.png")],
    "export": lambda at: [str(at / "none"), "-o", str(at / "out")],
    "report": lambda at: [str(at / RUN), "-o", str(at / "out.html"), "--films", "0"],
    "evaluate": lambda at: _evaluation(at, at / AGENT)[1:],
    "meta-train": lambda at: [str(at / CURRICULUM), "-o", str(at / TRAINING), *TRAINED],
    "meta-test": lambda at: [str(at / TRAINING), "--curriculum", str(at / CURRICULUM), "--split", "train",
                             "--adaptations", "0", "--episodes", "1", "--repeats", "1"],
    "no-such": lambda at: [],
}  # fmt: skip


def _command_line(folder: Path, rng: random.Random) -> Case:
    name = rng.choice(list(COMMANDS))
    words = VALID[name](folder)
    for _ in range(rng.choice((1, 1, 2))):
        kind = rng.randrange(3)
        if kind == 0 and words:
            words[rng.randrange(len(words))] = rng.choice(WORDS)
        else:
            option = rng.choice(COMMANDS[name])
            words += [option] if option in FLAGS else [option, rng.choice(WORDS)]
    return Case([name, *(word.replace("\0", "") for word in words)], (RUN, CURRICULUM, TRAINING, AGENT))


TARGETS = (
    Target("archive", (RUN,), _archive),
    Target("settings", (RUN,), _settings),
    Target("assignments", (RUN,), _assignments),
    Target("agent", (AGENT, CURRICULUM), _agent),
    Target("curriculum", (AGENT, CURRICULUM), _curriculum),
    Target("training", (CURRICULUM, TRAINING), _training),
    Target("environment", (RUN,), _environment),
    Target("command line", (RUN, CURRICULUM, TRAINING, AGENT), _command_line),
)
