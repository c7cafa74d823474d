"""What went wrong, as one sentence and an exit status.

What commands refuse says so itself. Here is what it looks like where a wrong word on the command line, the machine
or a defect of ours ends one: the last line of defence, behind which no traceback reaches a person's terminal.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
import traceback
from contextlib import suppress
from typing import Any

import typer

from cluster.executor import WorkersError
from environments.files import BROKEN, DiskError, PlaceError
from environments.plugins import NotInstalledError
from environments.tasks.curriculum import CurriculumError
from evolution.chains import LostError
from evolution.evaluator import EvaluationError
from meta_learners.errors import MetaLearningError, TrainingError
from poet.errors import ArchiveError, InputError

FAILED, BAD_INPUT = 1, 2
# Typer brings its own copy of Click in some versions and imports it in others; either way this is Click's.
ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
NO_MEMORY = "there is not enough memory for this; give it more, or use fewer --workers"
# What is wrong with a name that a user gave, rather than with the machine.
OF_NAMES = (
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ELOOP,
    errno.EINVAL,
    errno.ENXIO,
)


def complaint(error: Exception) -> tuple[str, int]:
    """Say in one sentence what went wrong, and give the exit status."""
    match error:
        case InputError() | CurriculumError() | MetaLearningError() | PlaceError() | NotInstalledError():
            found = str(error), BAD_INPUT
        case ArchiveError() | DiskError() | EvaluationError() | LostError() | TrainingError() | WorkersError():
            found = str(error), FAILED
        case _ if isinstance(error, ClickException):
            found = _of_usage(error), BAD_INPUT
        case OSError():
            found = _of_system(error)
        case MemoryError():
            found = NO_MEMORY, FAILED
        case sqlite3.Error():
            found = f"SQLite failed: {error}", FAILED
        case _:
            found = _of_defect(error), FAILED
    return found


def _of_usage(error: Any) -> str:
    """Say what is wrong with a word of the command line: the option, its value and what would be valid."""
    parameter = getattr(error, "param", None)
    given = _given(error)
    if parameter is None or given is None:
        message = error.format_message().rstrip(".")
        more = f"{error.ctx.command_path if error.ctx is not None else 'poet'} --help"
        return f"{message} See {more}" if message.endswith("?") else f"{message}; see {more}"
    name = parameter.opts[-1] if parameter.param_type_name == "option" else parameter.metavar or parameter.name.upper()
    return f"{name} is {given['input']!r}; it must be {_valid(parameter, given)}"


def _given(error: Exception) -> dict[str, Any] | None:
    """Give what pydantic, by which Typer reads values, says of the one that it refused."""
    details = getattr(error.__cause__, "errors", None)
    return dict(details(include_url=False)[0]) if callable(details) else None


def _valid(parameter: Any, given: dict[str, Any]) -> str:
    choices = parameter.type_descriptor.choices
    if choices:
        return f"one of {', '.join(str(getattr(choice, 'value', choice)) for choice in choices)}"
    low, high = parameter.type_descriptor.parameter_info.min, parameter.type_descriptor.parameter_info.max
    kind = {int: "a whole number", float: "a number"}.get(parameter.type_descriptor.annotation, "another kind of value")
    if low is None and high is None:
        return kind
    return f"{kind}, at least {low}" if high is None else f"{kind} in [{low}, {high}]"


def _of_system(error: OSError) -> tuple[str, int]:
    status = BAD_INPUT if error.errno in OF_NAMES and error.filename is not None else FAILED
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many files are open at once; raise the limit (ulimit -n), or use fewer --workers", FAILED
    if error.errno == errno.ENOMEM:
        return NO_MEMORY, FAILED
    reason = BROKEN.get(error.errno or 0, error.strerror or str(error))
    if error.filename is None:
        # Files of ours say theirs by name, so that what is full without one is standard output.
        return f"{'cannot write the result' if error.errno in BROKEN else 'the system refused'}: {reason}", status
    return f"cannot use {os.fsdecode(error.filename)}: {reason}", status


def _of_defect(error: Exception) -> str:
    where = ""
    with (
        suppress(OSError),
        tempfile.NamedTemporaryFile(
            "w", prefix="poet-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file,
    ):
        traceback.print_exception(error, file=file)
        where = f" with its traceback, {file.name}"
    return f"this is a defect of poet-trailblazer ({type(error).__name__}: {error}); please report it{where}"
