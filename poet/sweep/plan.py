"""What a sweep trains and tests; kept before anything runs, so that the contrast it is for is known beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from environments.documents import parse_json
from environments.files import write_aside
from environments.settings import build_settings
from environments.teachers import teacher_kind
from poet.config import read_assignments
from poet.errors import InputError

FORMAT, SCHEMA_VERSION, NAME = "poet-sweep", 1, "sweep.json"
GROWS = ("curricula", "learners", "teachers", "seeds")  # what a later call may add to; steps it may raise


@dataclass(frozen=True, slots=True)
class Choice:
    """A learner or a teacher with its settings, under the label that the table has."""

    label: str
    name: str
    settings: Mapping[str, Any]

    @staticmethod
    def read(text: str, option: str) -> Choice:
        """Read ``[LABEL=]NAME[,KEY=VALUE...]``, such as ``mild=random,reach=curriculum``.

        Raises:
            InputError: the text is none.
        """
        first, *assignments = text.split(",")
        label, _, name = first.rpartition("=")
        table = read_assignments(assignments, option)
        label = label or name
        if not label.replace("-", "").replace("_", "").isalnum():
            raise InputError(f"{option} is {text!r}; it must be NAME or LABEL=NAME, then ,KEY=VALUE for each setting")
        return Choice(label, name, table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """What every trained learner is tested on."""

    suites: tuple[str, ...]
    worlds: int  # of each task
    episodes: int  # in each world


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """All of it; meets what the file `sweep.json` holds."""

    curricula: Mapping[str, str]  # by name: sha256
    learners: Sequence[Choice]
    teachers: Sequence[Choice]
    seeds: Sequence[int]
    steps: int  # environment steps of each training, tries of teachers included; a later call may ask for more
    tasks: int  # of a meta-step
    copies: int | None  # the learner's own where None
    episode_limit: int | None  # the curriculum's where None
    fall_reward: float | None
    test: Test
    contrast: tuple[str, str, str] | None  # two arms, as LEARNER/TEACHER, and the ground that they are compared on

    def cells(self) -> Iterator[Cell]:
        """Give every training, one seed after another: a sweep that is stopped has some of everything."""
        for seed in self.seeds:
            for curriculum in self.curricula:
                for learner in self.learners:
                    for teacher in self.teachers:
                        yield Cell(curriculum, learner, teacher, seed)


@dataclass(frozen=True, slots=True)
class Cell:
    """One training."""

    curriculum: str
    learner: Choice
    teacher: Choice
    seed: int

    @property
    def arm(self) -> str:
        """What is compared: a learner with a teacher."""
        return f"{self.learner.label}/{self.teacher.label}"

    @property
    def owes(self) -> bool:
        """Whether its teacher takes tasks, or how far they reach, from what a run of POET found.

        A teacher whose settings name no reach is taken for one that does: it is given the curriculum's tasks.
        """
        settings = build_settings(teacher_kind(self.teacher.name).settings, self.teacher.settings)
        return bool(getattr(settings, "reach", "curriculum") == "curriculum")

    @property
    def name(self) -> str:
        """Its folder's."""
        return f"{self.curriculum}-{self.learner.label}-{self.teacher.label}-{self.seed}"


def open_sweep(folder: Path, sweep: Sweep) -> Sweep:
    """Begin a sweep in a folder, or go on with the one that it holds, which may only grow.

    Gives it with its contrast on the ground that was written down first, whatever has been added since.

    Raises:
        InputError: two trainings would share a folder, or this one holds something else, or another sweep.
    """
    _check_names(sweep)
    path = folder / NAME
    wanted = json.loads(json.dumps({**asdict(sweep), "seeds": list(sweep.seeds)}))  # as JSON gives it back
    if folder.is_file():
        raise InputError(f"{folder} is a file; a sweep is a folder, an old one or one to be made")
    if path.exists():
        found = _read(path)
        kept = found.get("contrast")
        if isinstance(kept, list) and len(kept) == 3 and sweep.contrast and kept[:2] == list(sweep.contrast[:2]):
            sweep = replace(sweep, contrast=tuple(kept))
            wanted["contrast"] = kept
        changed = [name for name in wanted if name not in (*GROWS, "steps") and found.get(name) != wanted[name]]
        changed += [name for name in GROWS if not _grown(found.get(name), wanted[name])]
        before = found.get("steps")
        if type(before) is not int:
            changed.append("steps")
        elif not changed and before > sweep.steps:
            raise InputError(f"{folder} holds a sweep of {before} steps; give as many or more, or name another folder")
        if changed:
            raise InputError(
                f"{folder} holds a sweep with another {', '.join(changed)}; give what it was begun with (more "
                f"{', '.join(GROWS)} may be added, and steps), or name another folder"
            )
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no sweep; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        document = {"format": FORMAT, "schema_version": SCHEMA_VERSION, "sweep": wanted}
        write_aside(path, json.dumps(document, indent=2).encode())
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}") from error
    return sweep


def _check_names(sweep: Sweep) -> None:
    """Raise InputError unless every training has a folder of its own: labels may hold the hyphens that join them."""
    named: dict[str, Cell] = {}
    for cell in sweep.cells():
        other = named.setdefault(cell.name, cell)
        if other is not cell:
            raise InputError(
                f"{other.arm} on {other.curriculum} and {cell.arm} on {cell.curriculum} would both be trained in "
                f"{cell.name}; give a learner or teacher another label, as in LABEL=NAME"
            )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path} is not a sweep's")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{path} has schema version {document.get('schema_version')}; this version reads 1")
    if not isinstance(document.get("sweep"), dict):
        raise InputError(f"{path} is damaged: it does not say what is swept; begin the sweep in another folder")
    sweep: Mapping[str, Any] = document["sweep"]
    return sweep


def _grown(old: Any, new: Any) -> bool:
    """Say whether everything old is still there, and the same."""
    if isinstance(new, dict):
        return isinstance(old, dict) and all(new.get(name) == value for name, value in old.items())
    return isinstance(old, list) and all(each in new for each in old)
