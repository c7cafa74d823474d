"""The settings of a run explained: meaning, type, range, default, and what the papers set them to.

Names, types, ranges and defaults are read from the settings' own classes and from what refuses a wrong value;
only the meanings stand here. `poet settings` shows it, and `docs/settings.md` is written from it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from environments.plugins import OPTIMISER, installed
from environments.settings import TYPE_NAMES, flat
from evolution.optimisers.es import ES
from evolution.optimisers.registry import find_settings
from poet import config as configuration
from poet.config import Config
from poet.errors import InputError

MEANINGS = {
    "seed": "Decides everything random: with the other settings, every bit of the archive.",
    "iterations": "How long the run goes on; alone may be changed later. In each, every pair takes a step.",
    "domain": "The body and its world, such as walker2d, hexapod3d or hexapod3d[tibia=0.42].",
    "engine": "What simulates it; auto is the domain's first, its fastest. Engines of a domain agree to the bit.",
    "episode_limit": "Control steps after which an episode ends; 50 are a second of the walker's.",
    "score_episodes": "Episodes whose mean return is a score: an agent's own, a child's, a candidate's.",
    "push": "How the walker is pushed at the start: fresh, another way in each episode; fixed, as published, one way "
    "for each environment, so that all its episodes of an agent are equal, one is run for a score, and "
    "transfer.confirm must be 0.",
    "optimiser.name": "How agents learn: es, the papers' evolution strategy, whose options are es.*, or another that "
    "is installed, whose options are optimiser.options.*.",
    "es.pairs": "Antithetic pairs of perturbations in an ES step, two episodes each.",
    "es.sigma": "Standard deviation of the perturbations of theta when an agent begins to learn.",
    "es.sigma_decay": "What sigma is multiplied by after each step.",
    "es.sigma_floor": "Where sigma stops decaying; at most es.sigma.",
    "es.step_size": "Adam's step size when an agent begins to learn: about how far each parameter moves in a step.",
    "es.step_size_decay": "What the step size is multiplied by after each step.",
    "es.step_size_floor": "Where the step size stops decaying; at most es.step_size.",
    "es.weight_decay": "L2 coefficient: the share of theta that is subtracted from the gradient.",
    "minimal_criterion.lower": "A new environment is too hard if the score in it is lower; below the upper bound.",
    "minimal_criterion.upper": "A new environment is too easy if the score in it is higher.",
    "reproduction.every": "Iterations from one attempt at new environments to the next.",
    "reproduction.parent_score": "An environment may have children if its agent scores at least this in it.",
    "reproduction.children": "Mutated environments tried at each reproduction.",
    "reproduction.admitted": "Most of them that are admitted.",
    "reproduction.capacity": "Active pairs; above it the oldest retires. Times reproduction.every, a niche's life.",
    "reproduction.neighbours": "How many nearest environments the novelty of a child is the mean distance to.",
    "reproduction.novelty": "Where that distance is measured: between genomes, or by how all agents do (PATA-EC).",
    "reproduction.whole_archive": "Test those admitted against every agent there ever was, which ANNECS needs.",
    "transfer.every": "Iterations from one tournament, in which agents may move to other niches, to the next.",
    "transfer.rule": "Who moves in: original, the best of all candidates; improved, who twice beats five scores; "
    "none, nobody ever.",
    "transfer.restart": "What an agent that moves does with its optimiser: full starts Adam, step size and sigma "
    "afresh, keep goes on with its own, a number starts step size and sigma at that fraction of es.step_size and "
    "es.sigma. Other optimisers do the same with what they have.",
    "transfer.confirm": "Fresh episodes in which the winner must be ahead of the incumbent again; 0 asks for none.",
    "encoding.name": "What genomes of ground are: parametric, ranges of obstacles; cppn, a network that NEAT breeds; "
    "drawn, the walker's points and boxes or the hexapod's painted heights.",
    "encoding.options.kinds": "Of the parametric encoding: the kinds of obstacle that may ever mutate.",
    "encoding.options.from_zero": "Of the parametric encoding: how a number at 0 mutates, by a first value or, as "
    "published, by a step clipped at 0.",
    "encoding.options.distance": "Of the parametric encoding: how genomes are compared, each gene scaled by its "
    "maximum, or raw as published.",
    "encoding.options.bounds": "Of the walker's cppn encoding: where relief is bounded, over the course that is "
    "walked, or as published over a third of it.",
    "encoding.options.obstacles": "Of the walker's cppn encoding: the kinds of obstacle that its ground bears.",
    "encoding.options.places": "Of the cppn encoding: which heights along the ground compare genomes. Of the hexapod's "
    "33 x 3 places, the sampled 64 leave out ten of the middle line; all is for new runs, sampled what older ones did.",
    "encoding.options.physics": "What is hidden of the body and evolves on any ground, as a list, or as a table with "
    "`low`, `high` and `step` of each. See the page on hidden physics.",
    "encoding.options.stride": "Of the hexapod's parametric encoding: how many times its own step a gene moves by.",
    "encoding.options.start": "The genome that a run begins with; `poet inspect RUN niche 0` shows one.",
    "controller.hidden": "Sizes of an agent's hidden layers; the domain's own, which run fastest, when empty.",
    "controller.activation": "What follows each hidden layer.",
    "controller.output": "What follows the last; actions are clipped to [-1, 1] either way.",
    "archive.checkpoint_every": "Iterations from one kept copy of every agent to the next.",
    "archive.checkpoints": "Which of those copies are kept: every, or doubling, each at twice the age of the last.",
}
OPTIONS = {  # of encodings, which are tables: (type, range, default)
    "encoding.options.kinds": (
        "a list",
        "walker2d: roughness, pit, stump, stair; hexapod3d: its genes'",
        'walker2d ["roughness", "pit", "stump"]; hexapod3d all',
    ),
    "encoding.options.from_zero": ("text", "rise, published", "rise"),
    "encoding.options.distance": ("text", "scaled, raw", "scaled"),
    "encoding.options.bounds": ("text", "walked, published", "walked"),
    "encoding.options.obstacles": ("a list", "pit, stump, stair", "[]"),
    "encoding.options.places": ("text", "sampled, all", "sampled"),
    "encoding.options.physics": (
        "a list or a table",
        "walker2d: motors, delay, lidar, gravity, friction, load, legs; hexapod3d: motors, delay, friction, load, lost",
        "[]",
    ),
    "encoding.options.stride": ("a number", "from 0.1 to 10", "1.0"),
    "encoding.options.start": ("a table", "genes within their bounds", "flat"),
}
OPEN = {  # ranges that depend on what is installed or chosen
    "domain": "an installed domain",
    "engine": "auto, or an engine of the domain",
    "encoding.name": "an encoding of the domain",
    "optimiser.name": "an installed optimiser",
    "reproduction.novelty": "an installed measure of novelty",
}
PAPERS = {"poet": "original", "enhanced": "enhanced"}  # the presets that hold their values
INTRODUCTION = """# Settings

Written by `make reference` from what `poet settings` shows; change the text in `poet/commands/reference.py`.

A run's settings come from a preset (`--preset`), a TOML file (`--config`) and `--set key=value`; its `config.toml`
lists them all. *POET* and *Enhanced* are what the presets `original` and `enhanced` set, the values of
[Wang et al. 2019](https://arxiv.org/abs/1901.01753) and [Wang et al. 2020](https://arxiv.org/abs/2003.08536).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting, explained."""

    key: str  # as `--set` takes it
    meaning: str
    type: str
    range: str  # empty where every value of the type will do
    default: Any
    papers: Mapping[str, Any]  # by paper: value, and its source and a note where they are known
    presets: Mapping[str, Any]  # by preset, where it differs from the default

    @property
    def allowed(self) -> str:
        """Type and range in one phrase, such as "a whole number in [1, 10]"."""
        if not self.range:
            return self.type
        return f"{self.type}{' ' if self.range.startswith(('in ', 'at least ')) else ': '}{self.range}"

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def reference() -> list[Setting]:
    """Explain every setting, in the order of a configuration file."""
    names = configuration.presets()
    presets = {name: _flat(configuration.build(configuration.read_preset(name), name)) for name in names}
    found = [*_settings(Config), *((key, *rest) for key, rest in OPTIONS.items())]
    meanings = dict(MEANINGS)
    for name in installed(OPTIMISER):
        found += _optimiser_options(name, meanings)
    return [
        Setting(
            key=key,
            meaning=meanings[key],
            type=kind,
            range=allowed,
            default=value,
            papers={paper: _published(key, paper, presets[preset].get(key)) for paper, preset in PAPERS.items()},
            presets={name: preset[key] for name, preset in presets.items() if key in preset and preset[key] != value},
        )
        for key, kind, allowed, value in sorted(found, key=lambda each: _place(each[0]))
    ]


def _place(key: str) -> tuple[int, str]:
    """Say where a setting stands: an optimiser's options follow its name."""
    known = key if key in MEANINGS else "optimiser.name"
    return list(MEANINGS).index(known), "" if key in MEANINGS else key


def _optimiser_options(name: str, meanings: dict[str, str]) -> Iterator[tuple[str, str, str, Any]]:
    """Read (key, type, range, default) of an optimiser's own options, and add what they mean.

    Where several optimisers have an option of a name, it stands once, with the meanings of all.
    """
    if name == ES.name:  # those are `es.*`
        return
    try:
        kind = find_settings(name)
    except ValueError:  # installed, but a library that it needs is not
        return
    told: Mapping[str, str] = getattr(kind, "meanings", {})
    for key, what, allowed, default in _settings(kind, "optimiser.options."):
        option = key.rpartition(".")[2]
        meaning = f"Of {name}: {told.get(option, 'see its documentation.')}"
        if key in meanings:
            others = f"{what}{' ' + allowed if allowed else ''}, {shown(default)} by default"
            meanings[key] += f" {meaning} It is {others}."
            continue
        meanings[key] = meaning
        yield key, what, allowed, default


def chosen(key: str | None) -> list[Setting]:
    """Pick a setting by its name, or those of a section.

    Raises:
        InputError: there is none of that name.
    """
    every = reference()
    found = [each for each in every if key is None or each.key == key or each.key.startswith(f"{key}.")]
    if not found:
        names = [each.key for each in every]
        near = (
            get_close_matches(key or "", names, 3)
            or [name for name in names if (key or "").rpartition(".")[2] in name.rpartition(".")[2]][:3]
        )
        hint = f"did you mean {' or '.join(near)}?" if near else "`poet settings` lists them all"
        raise InputError(f"there is no setting {key!r}; {hint}")
    return found


def markdown() -> str:
    """Write the page of the documentation."""
    rows = [
        "| setting | meaning | type and range | default | POET | Enhanced |",
        "|---|---|---|---|---|---|",
        *(_row(each) for each in reference()),
    ]
    return "\n".join([INTRODUCTION, *rows]) + "\n"


def shown(value: Any) -> str:
    """Write a value as `--set` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        value = list(value)
    return "-" if value is None else str(value).replace("'", '"')


def _row(setting: Setting) -> str:
    cells = [f"`{setting.key}`", setting.meaning, setting.allowed, shown(setting.default)]
    cells += [shown(setting.papers[paper]["value"]) for paper in PAPERS]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _settings(kind: type, path: str = "") -> Iterator[tuple[str, str, str, Any]]:
    """Read (key, type, range, default) of every setting of a class and those inside it."""
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        hint, key = hints[field.name], path + field.name
        bounds = None
        if get_origin(hint) is Annotated:
            hint, bounds = get_args(hint)[:2]
        if is_dataclass(hint):
            assert isinstance(hint, type)
            yield from _settings(hint, f"{key}.")
        elif get_origin(hint) is not Mapping:
            kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
            default = field.default if field.default is not MISSING else None
            name = " or ".join(TYPE_NAMES[get_origin(each) or each] for each in kinds)
            yield key, name, str(bounds or "") or _refused(key, kinds), default


def _refused(key: str, kinds: tuple[type, ...]) -> str:
    """Say what a text may be, in the words in which another is refused."""
    if str not in kinds:
        return ""
    if key in OPEN:
        return OPEN[key]
    try:
        configuration.build(configuration.parse_assignment(f"{key}=?"), "")
    except InputError as error:
        return str(error).partition("it must be ")[2].removeprefix("one of ")
    return ""


def _flat(config: Config) -> dict[str, Any]:
    return flat(config.to_table())


def _published(key: str, paper: str, preset: Any) -> dict[str, Any]:
    """Say what a paper sets a setting to: what its preset does, and where that stands, if it is known."""
    if key.startswith(("seed", "engine", "archive.")):
        return {"value": None}
    known = getattr(_provenance().get(key), paper, None)
    if known is None:
        return {"value": None if _provenance() else preset}
    return {"value": known.value, "source": str(known.source), "note": known.note}


def _provenance() -> Mapping[str, Any]:
    try:
        module = importlib.import_module("poet.provenance")
    except ModuleNotFoundError:
        return {}
    found: Mapping[str, Any] = module.PROVENANCE
    return found
