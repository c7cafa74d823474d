"""The settings of a run: presets, TOML files and overrides become one checked `Config`.

Every key that can be set stands here or in a settings class named here.
Unknown keys are errors.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import tomli_w

from environments.documents import NotTOMLError, check_plain, parse_toml
from environments.domain import Encoding, find_domain
from environments.settings import Bounds, build_settings, check_bounds
from evolution.es import ESSettings
from evolution.evaluation import Simulation
from evolution.minimal_criterion import MinimalCriterion
from evolution.reproduction import ReproductionSettings
from poet.errors import InputError
from transfer.tournament import TransferSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingSettings:
    """Which genomes environments have."""

    name: str = "parametric"
    options: Mapping[str, Any] = field(default_factory=dict)  # the encoding's own


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """What the archive keeps beyond the latest state."""

    checkpoint_every: Annotated[int, Bounds(1, 10**6)] = 25  # iterations between kept copies of every agent

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One run's settings. With the seed they decide every bit of its archive."""

    seed: Annotated[int, Bounds(0, 2**63 - 1)] = 0
    iterations: Annotated[int, Bounds(1, 10**9)] = 25_200
    domain: str = "walker2d"
    engine: str = "auto"  # of the domain; auto is its first
    episode_limit: Annotated[int, Bounds(1, 10**6)] = 2000  # control steps
    score_episodes: Annotated[int, Bounds(1, 10**4)] = 5  # averaged in every score
    es: ESSettings = field(default_factory=ESSettings)
    minimal_criterion: MinimalCriterion = field(default_factory=MinimalCriterion)
    reproduction: ReproductionSettings = field(default_factory=ReproductionSettings)
    transfer: TransferSettings = field(default_factory=TransferSettings)
    encoding: EncodingSettings = field(default_factory=EncodingSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)

    def __post_init__(self) -> None:
        check_bounds(self)
        engines = find_domain(self.domain).engines
        if self.engine not in ("auto", *engines):
            raise ValueError(f"engine is {self.engine!r}; it must be one of auto, {', '.join(engines)}")
        self.make_encoding()

    def make_encoding(self) -> Encoding:
        """Make the encoding that the settings name."""
        return find_domain(self.domain).encoding(self.encoding.name, self.encoding.options)

    def simulation(self) -> Simulation:
        """Say how episodes of this run are run."""
        engine = None if self.engine == "auto" else self.engine
        return Simulation(domain=self.domain, seed=self.seed, episode_limit=self.episode_limit, engine=engine)

    def to_table(self) -> dict[str, Any]:
        """Give every setting as nested tables, such as `build` reads."""
        return asdict(self)

    def to_toml(self) -> str:
        """Write every setting as TOML."""
        return tomli_w.dumps(self.to_table())


def presets() -> list[str]:
    """List the presets' names."""
    return sorted(file.name.removesuffix(".toml") for file in files("poet.presets").iterdir() if _is_toml(file.name))


def _is_toml(name: str) -> bool:
    return name.endswith(".toml")


def read_preset(name: str) -> dict[str, Any]:
    """Read a preset's table.

    Raises:
        InputError: there is no such preset.
    """
    if name not in presets():
        raise InputError(f"preset is {name!r}; presets are {', '.join(presets())}")
    return tomllib.loads((files("poet.presets") / f"{name}.toml").read_text(encoding="utf-8"))


def read_file(path: Path) -> dict[str, Any]:
    """Read a TOML file's table.

    Raises:
        InputError: the file cannot be read or is not TOML.
    """
    try:
        return parse_toml(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} {error}") from error


def parse_assignment(text: str) -> dict[str, Any]:
    """Read ``section.key=value`` into nested tables; a value that is not TOML is a string.

    Raises:
        InputError: there is no key or no value.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {text!r} is not an assignment; write it as key=value, such as es.pairs=64")
    try:
        parsed = _value(value)
        for part in reversed(key.strip().split(".")):
            parsed = {part: parsed}
        check_plain(parsed)
    except ValueError as error:
        raise InputError(f"--set {text!r} {error}") from error
    return dict(parsed)


def _value(text: str) -> Any:
    """Read a TOML value; text that is none stands for itself."""
    try:
        return parse_toml(f"value = {text}")["value"]
    except NotTOMLError:
        return text.strip()


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table over another, section by section."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def build(table: Mapping[str, Any], origin: str) -> Config:
    """Check a table and make it a `Config`.

    Raises:
        InputError: a key is unknown or a value is of the wrong type or out of range; `origin` is named.
    """
    try:
        config: Config = build_settings(Config, table)
    except ValueError as error:
        raise InputError(f"{origin}: {error}") from error
    return config


def differences(old: Config, new: Config) -> list[str]:
    """List the settings that differ, as ``es.pairs was 256, is 64``; iterations may always differ."""
    before, after = _flat(old.to_table()), _flat(new.to_table())
    names = sorted(set(before) | set(after))
    return [
        f"{name} was {before.get(name)!r}, is {after.get(name)!r}"
        for name in names
        if before.get(name) != after.get(name) and name != "iterations"
    ]


def _flat(table: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{path}{key}.") if isinstance(value, Mapping) else {path + key: value}
    return flat
