"""Environments that somebody brings, to start a run from or to put into one: objects, tables or files of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from environments.documents import parse_json
from environments.domain import Environment, find_domain
from poet.config import DRAWN, Config
from poet.errors import InputError

Brought: TypeAlias = "Environment | Mapping[str, Any] | Path | str"
"""What a caller may bring as an environment: itself, its four fields, or a file of one or of a list of them."""

LARGEST_FILE = 2**24  # bytes
WHAT = "an Environment, a table of its fields, or a file's path"


def take_environments(brought: Brought | Iterable[Brought], config: Config) -> tuple[Environment, ...]:
    """Make environments of what a caller brought, in which agents of a run can live.

    Raises:
        InputError: one is none, or is another domain's or encoding's.
    """
    one = isinstance(brought, Environment | Mapping | Path | str)
    found: list[Environment] = []
    listed: Any = [brought] if one else brought
    if not isinstance(listed, Iterable):
        raise InputError(f"environments is {type(brought).__name__}; it must be {WHAT}, or several of these")
    for each in listed:
        found += _taken(each, config)
    if not found:
        raise InputError("environments is empty; give at least one")
    return tuple(found)


def _taken(brought: Brought, config: Config) -> list[Environment]:
    if isinstance(brought, str | Path):
        return read_environments(Path(brought), config)
    name = "the environment"
    if isinstance(brought, Environment):
        return [check_environment(name, brought, config)]
    if isinstance(brought, Mapping):
        return [_checked(name, dict(brought), config)]
    raise InputError(f"environment is {type(brought).__name__}; it must be {WHAT}")


def read_environments(path: Path, config: Config) -> list[Environment]:
    """Read a JSON file of one environment or of a list of them, checked for a run.

    Raises:
        InputError: it cannot be read, or what it holds is no such environment.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than {LARGEST_FILE >> 20} MiB; it holds no environments")
        held = parse_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(f"{path} {error}") from error
    if not isinstance(held, list):
        return [_checked(str(path), held, config)]
    if not held:
        raise InputError(f"{path} holds an empty list; give at least one environment")
    return [_checked(f"number {number} of {path}", each, config) for number, each in enumerate(held)]


def _checked(name: str, fields: Any, config: Config) -> Environment:
    try:
        environment = Environment.from_fields(fields)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error
    return check_environment(name, environment, config)


def check_environment(name: str, environment: Environment, config: Config) -> Environment:
    """Give an environment back if agents of a run can live in it.

    Raises:
        InputError: it is another domain's or encoding's, or its genome or seed is refused.
    """
    if environment.domain != config.domain:
        raise InputError(f"{name} is one of {environment.domain}; the run's agents live in {config.domain}")
    if environment.encoding not in (config.encoding.name, DRAWN):
        raise InputError(
            f"{name} has a genome of the encoding {environment.encoding}; the run's encoding is {config.encoding.name}"
        )
    try:
        environment = Environment.from_json(environment.to_json())  # what an archive can hold of it
        config.encoding_of(environment).check(environment.genome)
        find_domain(config.domain).make_env(environment).close()
    except NotImplementedError:  # a body without an environment to step: its encoding has said all
        pass
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"{name} is refused: {error}") from error
    return environment
