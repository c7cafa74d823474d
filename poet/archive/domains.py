"""What an archive remembers of its run's domain, so that the run can be exported where that is not installed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from sqlite3 import Connection
from typing import Any

from environments.controller import Controller
from environments.documents import parse_json
from environments.domain import Domain, find_domain
from environments.files import ARCHIVE_NAME
from poet.archive.reading import read_config, trusting
from poet.config import Config, if_installed
from poet.errors import InputError

KEY = "domain"  # in the table `run`
FACTS = ("episode_limit", "fall_return", "solved_return")


@dataclass(frozen=True, slots=True)
class Remembered:
    """A domain's facts, of those that `environments.domain.Domain` has; it can neither make worlds nor run episodes."""

    name: str
    controller: Controller
    episode_limit: int
    fall_return: float
    solved_return: float


def remember(config: Config) -> str:
    """Write a run's domain as JSON text."""
    domain = find_domain(config.domain)
    facts = {name: getattr(domain, name) for name in FACTS}
    return json.dumps({**facts, "controller": asdict(domain.controller)}, sort_keys=True)


def remember_too(connection: Connection) -> None:
    """Let an archive of a version that did not keep this remember its domain, where that is installed."""
    facts = if_installed(lambda: remember(read_config(connection)))
    if facts is not None:
        connection.execute("INSERT OR IGNORE INTO run VALUES (?, ?)", (KEY, facts))


def domain_of(connection: Connection, config: Config) -> Domain | Remembered:
    """Give a run's domain with the run's kind of agent, or what its archive remembers of one that is not installed.

    Raises:
        InputError: it is not installed, and the archive is of a version that did not keep this.
    """
    found = if_installed(config.make_domain)
    if found is not None:
        return found
    remembered = _remembered(connection, config)
    if remembered is not None:
        return remembered
    try:
        return config.make_domain()
    except ValueError as error:
        raise InputError(f"this run's archive is too old to do without its domain: {error}") from error


def controller_of(connection: Connection, config: Config) -> Controller | None:
    """Give the network of a run's agents; None where its domain is neither installed nor remembered."""
    domain = if_installed(config.make_domain) or _remembered(connection, config)
    return None if domain is None else domain.controller


def _remembered(connection: Connection, config: Config) -> Remembered | None:
    row = connection.execute("SELECT value FROM run WHERE key = ?", (KEY,)).fetchone()
    if row is None:
        return None
    with trusting(ARCHIVE_NAME):
        fields: dict[str, Any] = dict(parse_json(row[0]))
        own = fields.pop("controller")
        controller = Controller(tuple(own["sizes"]), own["activation"], own["output"])
        return Remembered(config.domain, config.controller.make(controller), **fields)
