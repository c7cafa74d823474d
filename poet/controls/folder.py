"""A control on disk: what it is, once, and where each of its searches stands, whole after every save."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from environments.domain import Environment
from environments.files import write_aside
from evolution.optimisers.optimiser import State
from poet.config import Config, build
from poet.controls.searches import Search
from poet.errors import InputError

PLAN = "control.json"
FORMAT = 1
_PART = "part "  # begins the names of what the optimiser knows
_OLD_ARRAYS, _OLD_NUMBERS = ("first_moment", "second_moment"), ("updates", "step_size", "sigma")  # once ES alone was
_PLAIN = tuple(each.name for each in fields(Search) if each.name not in ("learner", "environment"))


def settings_of(config: Config) -> dict[str, Any]:
    """Give the settings that a control keeps, as JSON gives them back; for how long its run goes on matters not."""
    plain: dict[str, Any] = json.loads(json.dumps({**config.to_table(), "iterations": None}))
    return plain


def _in_full(settings: Any) -> Any:
    """Give kept settings with defaults for those that an older version did not have; as they are if they are none."""
    try:
        return settings_of(build({**settings, "iterations": 1}, PLAN))
    except (InputError, TypeError):
        return settings


def open_folder(folder: Path, plan: dict[str, Any]) -> None:
    """Begin a control in a folder, or go on with the one that it holds, which must be the same.

    Raises:
        InputError: the folder holds something else, or cannot be made.
    """
    path, wanted = folder / PLAN, {"format": FORMAT, **plan}
    if path.exists():
        found = _read_plan(path)
        found = {**found, "settings": _in_full(found.get("settings"))}
        changed = [key for key in wanted if found.get(key) != wanted[key]]
        if changed:
            raise InputError(f"{folder} holds a control with another {', '.join(changed)}; name another folder")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"{folder} is not empty and holds no control; name another folder")
        write_aside(path, json.dumps(wanted, indent=1).encode())
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}") from error


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    return found if isinstance(found, dict) else {}


def save(folder: Path, search: Search) -> None:
    """Put a search on disk.

    Raises:
        OSError: it cannot be written; what was saved before is as it was.
    """
    plain = {name: getattr(search, name) for name in _PLAIN}
    text = json.dumps({**plain, "environment": search.environment.to_json()})
    content = io.BytesIO()
    parts: dict[str, Any] = {_PART + name: value for name, value in search.learner.parts.items()}
    np.savez(content, state=np.array(text), theta=search.learner.theta, **parts)
    write_aside(_path(folder, search.seed), content.getvalue())


def load(folder: Path, seed: int) -> Search | None:
    """Read where a search stands; None where it has not begun.

    Raises:
        InputError: the file is damaged.
    """
    path = _path(folder, seed)
    if not path.exists():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            state = json.loads(str(file["state"]))
            parts = {name.removeprefix(_PART): file[name] for name in file.files if name.startswith(_PART)}
            if not parts:
                parts = {name: file[name] for name in _OLD_ARRAYS}
                parts |= {name: np.asarray(state.pop(name), dtype=np.float64) for name in _OLD_NUMBERS}
            learner = State(file["theta"], parts)
        environment = Environment.from_json(state.pop("environment"))
        return Search(learner=learner, environment=environment, **{**state, "scores": tuple(state["scores"])})
    except Exception as error:  # whatever a damaged archive of arrays makes of its readers
        raise InputError(f"{path} is damaged ({error}); remove it to run that search again") from error


def _path(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}.npz"
