"""A learner's state on disk: tensors as safetensors, named by a small JSON file that is replaced at once.

`checkpoints.json` lists the newest two with their hashes. It is written only after the tensors are on disk, so
that a training killed at any moment leaves at least the checkpoint before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from environments.documents import parse_json
from environments.files import write_aside
from meta_learners.errors import MetaLearningError
from meta_learners.learner import State

LIST, KEPT = "checkpoints.json", 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One state of a learner."""

    iteration: int  # so many are done
    file: str
    sha256: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def save_checkpoint(folder: Path, iteration: int, state: State) -> None:
    """Keep a state, and of the older ones the newest."""
    content = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.tensors.items()})
    name = f"checkpoint-{iteration:08}.safetensors"
    write_aside(folder / name, content)
    kept = [*(each for each in list_checkpoints(folder) if each.iteration < iteration)][-(KEPT - 1) :]
    kept.append(Checkpoint(iteration, name, hashlib.sha256(content).hexdigest(), state.facts))
    write_aside(folder / LIST, json.dumps([asdict(each) for each in kept], indent=2).encode())
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name not in {each.file for each in kept}:
            old.unlink()


def list_checkpoints(folder: Path) -> list[Checkpoint]:
    """List what is kept, oldest first; empty where there is nothing yet.

    Raises:
        MetaLearningError: the list is damaged.
    """
    path = folder / LIST
    if not path.exists():
        return []
    try:
        entries = parse_json(path.read_bytes())
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ValueError("is no list of checkpoints")
        return [_checkpoint(entry) for entry in entries]
    except OSError as error:
        raise MetaLearningError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise MetaLearningError(f"{path} is damaged: it {error}; restore a copy of it") from error


def _checkpoint(entry: Mapping[str, Any]) -> Checkpoint:
    wanted = {"iteration": int, "file": str, "sha256": str, "facts": dict}
    for name, kind in wanted.items():
        if not isinstance(entry.get(name), kind) or isinstance(entry[name], bool):
            raise ValueError(f"has {entry.get(name)!r} for the {name} of a checkpoint")
    if set(entry) != set(wanted) or entry["iteration"] < 0 or Path(entry["file"]).name != entry["file"]:
        raise ValueError("has an entry that is no checkpoint of this folder")
    return Checkpoint(**entry)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError as error:
        raise MetaLearningError(f"cannot read {path}: {error.strerror}") from error


def load_checkpoint(folder: Path) -> tuple[int, State] | None:
    """Read the newest checkpoint that is whole; None where there is none yet.

    Raises:
        MetaLearningError: there are some, and none can be read.
    """
    kept = list_checkpoints(folder)
    for checkpoint in reversed(kept):
        content = _content(folder / checkpoint.file)
        if hashlib.sha256(content).hexdigest() == checkpoint.sha256:
            try:
                return checkpoint.iteration, State(load(content), checkpoint.facts)
            except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise MetaLearningError(f"{folder / checkpoint.file} is damaged: {error}") from error
    if kept:
        names, are = ", ".join(each.file for each in kept), "is" if len(kept) == 1 else "are"
        raise MetaLearningError(f"{folder}: {names} {are} missing or damaged; restore a copy of one")
    return None
