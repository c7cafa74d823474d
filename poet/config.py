"""The settings of a run: presets, TOML files and overrides become one checked `Config`.

Every key that can be set stands here or in a settings class named here.
Unknown keys are errors.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tomli_w

from environments import plugins
from environments.agent_files import LARGEST_LAYER, MOST_LAYERS
from environments.controller import NO_ACTIVATION, Controller, check_activation
from environments.documents import NotTOMLError, check_plain, parse_toml
from environments.domain import Domain, Encoding, Environment, engine_unusable, find_domain
from environments.encodings.physics import SECTION as PHYSICS
from environments.equipped import equip
from environments.settings import Bounds, build_settings, check_bounds
from environments.settings import differences as list_differences
from evolution.minimal_criterion import MinimalCriterion
from evolution.optimisers.es import ES, ESSettings
from evolution.optimisers.optimiser import Optimiser
from evolution.optimisers.registry import build_options
from evolution.reproduction import ReproductionSettings
from evolution.requests import PUSHES, Simulation
from poet.errors import InputError
from transfer.rules import TransferSettings

T = TypeVar("T")

DRAWN = "drawn"  # the encoding of ground that people draw, which may be put into a run of any other


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingSettings:
    """Which genomes environments have."""

    name: str = "parametric"
    options: Mapping[str, Any] = field(default_factory=dict)  # the encoding's own


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserSettings:
    """How agents learn in their environments."""

    name: str = ES.name
    options: Mapping[str, Any] = field(default_factory=dict)  # the optimiser's own; those of ES are `Config.es`


CHECKPOINTS = ("every", "doubling")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """What agents are: multilayer perceptrons, the papers' unless told otherwise."""

    hidden: tuple[int, ...] = ()  # sizes of the hidden layers; the domain's own when empty
    activation: str = "tanh"  # of the hidden layers
    output: str = "tanh"  # of the last

    def __post_init__(self) -> None:
        check_activation("activation", self.activation)
        check_activation("output", self.output, NO_ACTIVATION)
        if len(self.hidden) >= MOST_LAYERS or any(not 1 <= size <= LARGEST_LAYER for size in self.hidden):
            raise ValueError(
                f"hidden is {list(self.hidden)}; it must be a list of at most {MOST_LAYERS - 1} sizes, "
                f"each in [1, {LARGEST_LAYER}]"
            )

    @staticmethod
    def of(controller: Controller) -> ControllerSettings:
        """Give the settings that mean a controller."""
        return ControllerSettings(
            hidden=controller.sizes[1:-1], activation=controller.activation, output=controller.output
        )

    def make(self, own: Controller) -> Controller:
        """Make the controller, given the domain's own."""
        hidden = self.hidden or own.sizes[1:-1]
        return Controller((own.sizes[0], *hidden, own.sizes[-1]), self.activation, self.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """What the archive keeps beyond the latest state."""

    checkpoint_every: Annotated[int, Bounds(1, 10**6)] = 25  # iterations between kept copies of every agent
    # Of a niche's agent, every such copy, or the first, second, fourth, eighth and so on since the niche was born.
    checkpoints: str = "every"

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.checkpoints not in CHECKPOINTS:
            raise ValueError(f"checkpoints is {self.checkpoints!r}; it must be one of {', '.join(CHECKPOINTS)}")

    def keeps(self, iteration: int, born: int) -> bool:
        """Say whether a copy of an agent is kept at the end of an iteration, in a niche born in an earlier one."""
        number = (iteration + 1) // self.checkpoint_every - born // self.checkpoint_every
        doubled = self.checkpoints == "every" or number.bit_count() == 1
        return (iteration + 1) % self.checkpoint_every == 0 and doubled


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One run's settings. With the seed they decide every bit of its archive."""

    seed: Annotated[int, Bounds(0, 2**63 - 1)] = 0
    iterations: Annotated[int, Bounds(1, 10**9)] = 25_200
    domain: str = "walker2d"
    engine: str = "auto"  # of the domain; auto is its first
    episode_limit: Annotated[int, Bounds(1, 10**6)] = 2000  # control steps
    score_episodes: Annotated[int, Bounds(1, 10**4)] = 5  # averaged in every score; with a fixed push one is run
    push: str = "fresh"  # how an episode starts: another way each time, or "fixed" for each environment
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    es: ESSettings = field(default_factory=ESSettings)  # of the optimiser "es"; another's are `optimiser.options`
    minimal_criterion: MinimalCriterion = field(default_factory=MinimalCriterion)
    reproduction: ReproductionSettings = field(default_factory=ReproductionSettings)
    transfer: TransferSettings = field(default_factory=TransferSettings)
    encoding: EncodingSettings = field(default_factory=EncodingSettings)
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.push not in PUSHES:
            raise ValueError(f"push is {self.push!r}; it must be one of {', '.join(PUSHES)}")
        if self.push == "fixed" and self.transfer.confirm:
            raise ValueError(
                f"transfer.confirm is {self.transfer.confirm}, but with push = 'fixed' there are no fresh episodes to "
                "confirm by; it must be 0, or push be 'fresh'"
            )
        # A run can be read wherever its files are: what is not here is not asked for here, but by `check_installed`.
        for check in (self.make_encoding, self.find_measure, self._complete_options):
            with suppress(plugins.NotInstalledError):
                check()

    def check_installed(self) -> None:
        """Check that all is here that a run needs to start, or to simulate an episode.

        Raises:
            InputError: something is not installed, or not built; the message says what.
        """
        try:
            if wrong := engine_unusable(find_domain(self.domain), self.engine, "auto"):
                raise ValueError(f"engine {wrong}")
            self.make_encoding()
            self.find_measure()
            self.make_optimiser()
        except ValueError as error:
            raise InputError(str(error)) from error

    def _complete_options(self) -> None:
        """Fill in the optimiser's options, so that a run keeps those it began with, whatever later defaults are."""
        name, options = self.optimiser.name, self.optimiser.options
        if name == ES.name:
            options, es = {}, build_settings(ESSettings, {**asdict(self.es), **options}, "optimiser.options.")
        else:
            options, es = asdict(build_options(name, options)), ESSettings()
        object.__setattr__(self, "es", es)
        object.__setattr__(self, "optimiser", OptimiserSettings(name=name, options=options))

    @property
    def episodes_per_score(self) -> int:
        """How many episodes are run for a score: where all would be equal, bit for bit, one."""
        return 1 if self.push == "fixed" else self.score_episodes

    def make_encoding(self) -> Encoding:
        """Make the encoding that the settings name."""
        return find_domain(self.domain).encoding(self.encoding.name, self.encoding.options)

    def encoding_of(self, environment: Environment) -> Encoding:
        """Make the encoding of an environment of this run: the settings' own, or of what a person drew, that one's.

        Raises:
            ValueError: environments of that encoding do not belong into the run, or the domain does not have it.
        """
        if environment.encoding == self.encoding.name:
            return self.make_encoding()
        if environment.encoding != DRAWN:
            raise ValueError(
                f"the environment has a genome of the encoding {environment.encoding}; the run's encoding is "
                f"{self.encoding.name}, and what a person drew may be {DRAWN}"
            )
        # What is hidden of a body evolves on any ground.
        shared = {name: value for name, value in self.encoding.options.items() if name == PHYSICS}
        return find_domain(self.domain).encoding(DRAWN, shared)

    def find_measure(self) -> Any:
        """Load the measure of novelty that the settings name, a `poet.novelty.Measure`."""
        return plugins.find(plugins.NOVELTY, self.reproduction.novelty)

    def make_optimiser(self, controller: Controller | None = None) -> Optimiser:
        """Make the optimiser that the settings name; whoever knows the run's agents need not have its domain."""
        name = self.optimiser.name
        settings = self.es if name == ES.name else build_options(name, self.optimiser.options)
        return settings.make(controller or self.make_domain().controller)

    def make_domain(self) -> Domain:
        """Give the domain, with the run's kind of agent."""
        domain = find_domain(self.domain)
        return equip(domain, self.controller.make(domain.controller))

    def simulation(self) -> Simulation:
        """Say how episodes of this run are run.

        Raises:
            InputError: what runs them is not installed here.
        """
        self.check_installed()
        engine = None if self.engine == "auto" else self.engine
        own = find_domain(self.domain).controller
        controller = self.controller.make(own)
        return Simulation(
            domain=self.domain,
            seed=self.seed,
            episode_limit=self.episode_limit,
            engine=engine,
            push=self.push,
            controller=None if controller == own else controller,
        )

    def to_table(self) -> dict[str, Any]:
        """Give every setting as nested tables, such as `build` reads; those of ES where it is the optimiser."""
        table = asdict(self)
        if self.optimiser.name != ES.name:
            del table["es"]
        return table

    def to_toml(self) -> str:
        """Write every setting as TOML."""
        return tomli_w.dumps(self.to_table())


def if_installed(make: Callable[[], T]) -> T | None:
    """Give what is made of installed parts, or None where one is missing: who only reads does without."""
    try:
        return make()
    except plugins.NotInstalledError:
        return None


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


def read_assignments(texts: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Lay assignments over each other, one table of all; `option` is what they were given by.

    Raises:
        InputError: as `parse_assignment`.
    """
    table: dict[str, Any] = {}
    for text in texts:
        try:
            table = merge(table, parse_assignment(text))
        except InputError as error:
            raise InputError(str(error).replace("--set", option, 1)) from error
    return table


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


def refine(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay single settings over a table; options that were another encoding's or optimiser's are left behind."""
    kept = dict(base)
    for section in ("encoding", "optimiser"):
        old, new = kept.get(section), over.get(section)
        if (
            isinstance(old, Mapping)
            and isinstance(new, Mapping)
            and new.get("name", old.get("name")) != old.get("name")
        ):
            kept[section] = {key: value for key, value in old.items() if key != "options"}
    return merge(kept, over)


def build(table: Mapping[str, Any], origin: str) -> Config:
    """Check a table of what is to be run here, and make it a `Config`.

    Raises:
        InputError: a key is unknown, a value is of the wrong type or out of range, or what it names is not installed;
            `origin` is named.
    """
    config = read(table, origin)
    try:
        config.check_installed()
    except InputError as error:
        raise InputError(f"{origin}: {error}") from error
    return config


def read(table: Mapping[str, Any], origin: str) -> Config:
    """Check a table of what may have been run elsewhere, and make it a `Config`; as `build`, whatever is installed."""
    try:
        _check_named_once(table)
        config: Config = build_settings(Config, table)
    except ValueError as error:
        raise InputError(f"{origin}: {error}") from error
    return config


def _check_named_once(table: Mapping[str, Any]) -> None:
    """Refuse an option of ES that stands both in `es` and, with another value, in `optimiser.options`."""
    optimiser, es = table.get("optimiser"), table.get("es")
    if not isinstance(optimiser, Mapping) or not isinstance(es, Mapping) or optimiser.get("name", ES.name) != ES.name:
        return
    options = optimiser.get("options")
    if not isinstance(options, Mapping):
        return
    for name in options.keys() & es.keys():
        if options[name] != es[name]:
            raise ValueError(f"es.{name} is {es[name]!r} and optimiser.options.{name} {options[name]!r}; set es.{name}")


def check_used(overrides: Mapping[str, Any], config: Config, origin: str) -> None:
    """Refuse single settings of ES where another optimiser is used, which would not see them.

    Raises:
        InputError: there are some; `origin` is named.
    """
    es = overrides.get("es")
    if isinstance(es, Mapping) and es and config.optimiser.name != ES.name:
        name = config.optimiser.name
        raise InputError(
            f"{origin}: es.{next(iter(es))} is a setting of the optimiser 'es', but optimiser.name is {name!r}, whose "
            f"options are {', '.join(f'optimiser.options.{option}' for option in config.optimiser.options) or 'none'}"
        )


def differences(old: Config, new: Config) -> list[str]:
    """List the settings that differ, as ``es.pairs was 256, is 64``; iterations and the engine may always differ."""
    return list_differences(old.to_table(), new.to_table(), free=("iterations", "engine"))


LEAST_LIFE = 300  # iterations of a niche, below which what moves into it is replaced before it has learned


def advice(config: Config) -> list[str]:
    """Say in a sentence each what is allowed but has been seen to waste a run's steps."""
    life = config.reproduction.capacity * config.reproduction.every
    if life >= min(LEAST_LIFE, config.iterations):  # or no niche retires
        return []
    return [
        f"a niche will retire after about {life} iterations (reproduction.capacity {config.reproduction.capacity} x "
        f"reproduction.every {config.reproduction.every}), little for an agent to learn in; the papers' niches have "
        f"3,000 and more, some {LEAST_LIFE} do: raise either"
    ]
