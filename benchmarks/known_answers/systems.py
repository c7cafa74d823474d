"""The manual's table of learners, and a page for each family: `python -m benchmarks.known_answers.systems`.

Everything is read from what is installed, so that a learner has its row and its place on a page as soon as its entry
point is there, and nobody writes either:

- which learners there are, from the entry points of `poet.learners`; the folder of `meta_learners` is the family;
- the rule and its source, from a row of a docstring's table in that folder whose first cell is the learner's name, or
  else from the first sentence of its file's docstring and the first reference in it;
- settings, from the class of its kind: default, bounds, and the comment behind each field; those that none of a page's
  learners reads are left out, and of what some read it is said of which;
- figures, from every `benchmarks/results/known_answers/*.json` (a list that `--json` wrote): those of whose name the
  learner's is a word.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, replace
from functools import cache
from importlib.metadata import entry_points
from inspect import getsource
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from environments.plugins import LEARNER
from meta_learners.families.bandits import BernoulliBandits
from meta_learners.families.navigation import Navigation
from meta_learners.few_shot_contracts import Blobs, Lines
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind, LearnerKind
from meta_learners.registry import any_kind

ROOT = Path(__file__).parents[2]
PAGE, PAGES, ANSWERS = ROOT / "docs/meta-learning.md", ROOT / "docs/systems", ROOT / "benchmarks/results/known_answers"
BEGIN, END = "<!-- systems: written by `make reference` -->", "<!-- end of systems -->"
FAMILIES = {
    "gradient": "By gradients",
    "black_box": "Black-box",
    "metric": "Metric",
    "bayesian": "Bayesian",
    "learned_optimisers": "Learned optimisers",
    "plastic": "Plastic synapses",
}
# What settings are read on: numbers and classes, of numbers and of sequences; choices and moves.
GIVEN, PLAYED = (Lines(), Blobs(), Blobs((3, 12))), (BernoulliBandits(), Navigation())
# Values with which other settings come to something.
SWITCHES: Mapping[str, tuple[Any, ...]] = {"outer": ("trpo", "ppo"), "waves": (1,), "blocks": (1,)}
GIVEN_AS_MAML = ("e-maml", "promp")  # these change how MAML accounts for what a policy collects
REFERENCE = re.compile(r"arXiv:\d{4}\.\d{4,5}|openreview\.net/[\w?=&-]+")
CITED = re.compile(r"\s*\((?P<source>[^()]*\d{4}[^()]*)\)")  # in a first sentence


@dataclass(frozen=True)
class System:
    """A learner as the table shows it."""

    name: str
    family: str
    module: str
    rule: str
    source: str

    @property
    def file(self) -> str:
        """Its path in the repository."""
        return self.module.replace(".", "/") + ".py"


def systems() -> list[System]:
    """List the learners of this project that are installed, by family and file."""
    places = {entry.name: entry.value.partition(":")[0] for entry in entry_points(group=LEARNER.group)}
    ours = {name: module for name, module in places.items() if module.startswith("meta_learners.")}
    order = list(FAMILIES)
    found = [_system(name, module) for name, module in ours.items()]

    def place(system: System) -> tuple[int, str, int, str, str]:
        known = order.index(system.family) if system.family in order else len(order)
        rows = list(_rows(system.family))  # a rule may speak of the row above
        row = rows.index(system.name) if system.name in rows else len(rows)
        return known, system.family, row, system.module, system.name

    return sorted(found, key=place)


def _system(name: str, module: str) -> System:
    family = module.split(".")[1]
    rows = _rows(family)
    if name in rows:
        return System(name, family, module, *rows[name])
    said = _docstring(ROOT / (module.replace(".", "/") + ".py"))
    first = said.partition("\n")[0].rstrip(".")
    cited = CITED.search(first)
    references = REFERENCE.findall(said)
    source = cited["source"] if cited else ""
    if references and references[0] not in source:
        source = f"{source}, {references[0]}".removeprefix(", ")
    rule = re.sub(r"^(An?|The) ", lambda article: article[0].lower(), CITED.sub("", first))
    return System(name, family, module, rule, source)


@cache
def _rows(family: str) -> Mapping[str, tuple[str, str]]:
    """Read rule and source of the learners that a docstring of a family's folder has in a table."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted((ROOT / "meta_learners" / family).glob("*.py")):
        above = ""
        for line in _docstring(path).splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if line.startswith("|") and len(cells) == 3 and cells[0] not in ("name", "---"):
                # "the same" in a table means what the row above has.
                above = cells[2].replace("the same", above) if cells[2].startswith("the same") else cells[2]
                found.setdefault(cells[0].strip("`"), (cells[1], above))  # the folder's own table comes first
    return found


@cache
def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


@cache
def answers() -> tuple[Mapping[str, Any], ...]:
    """Read all figures that were kept."""
    found: list[Mapping[str, Any]] = []
    for path in sorted(ANSWERS.glob("*.json")):
        found += json.loads(path.read_text(encoding="utf-8"))
    return tuple(found)


def figures(name: str) -> list[Mapping[str, Any]]:
    """Choose those of one learner."""
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    return [each for each in answers() if word.search(each["name"])]


def table() -> str:
    """Write the table of all."""
    lines = []
    of: dict[str, list[System]] = {}
    for system in systems():
        of.setdefault(system.family, []).append(system)
    for family, members in of.items():
        lines += [f"### {FAMILIES.get(family, family)}", ""]
        lines += [f"Settings and figures: [{FAMILIES.get(family, family)}](systems/{_page(family)}).", ""]
        lines += ["| Learner | Rule | Source | File | Beside | Reached |", "|---|---|---|---|---|---|"]
        for each in members:
            known, reached = _best(each.name)
            file = f"[{Path(each.file).name}](../{each.file})"
            lines.append(f"| `{each.name}` | {each.rule} | {each.source} | {file} | {known} | {reached} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def _best(name: str) -> tuple[str, str]:
    """Give what stands beside and what was reached: of the first aim if there is any, published ones before rivals.

    How many aims are missed is told behind it.
    """
    found = sorted(figures(name), key=_standing)
    if not found:
        return "", ""
    best = found[0]
    what = best["name"].partition(": ")[2].replace(f"{name}, ", "")
    aims = [each["reached"] for each in found if each["reached"] is not None]
    missed = f"; {aims.count(False)} of {len(aims)} aims missed" if False in aims else ""
    return f"{_number(best['target'])}{_certainty(best)}", f"**{_number(best['measured'])}** ({what}){missed}"


def _standing(figure: Mapping[str, Any]) -> tuple[bool, int]:
    """Order figures: aims before what is only beside; of sources, published ones, computed ones, rivals."""
    return figure["better"] == "beside", {"": 2, "computed": 1}.get(figure["certainty"], 0)


def page(family: str) -> str:
    """Write a family's page."""
    title, members = FAMILIES.get(family, family), [each for each in systems() if each.family == family]
    lines = [f"# {title}", "", "<!-- written by `make reference` -->", ""]
    lines += ["Other learners, and how to train and test them: [Meta-learning](../meta-learning.md).", ""]
    for module in dict.fromkeys(each.module for each in members):
        names = [each.name for each in members if each.module == module]
        file = module.replace(".", "/") + ".py"
        lines += [f"## {', '.join(f'`{name}`' for name in names)}", ""]
        lines += [_docstring(ROOT / file), "", f"File: [{file}](../../{file}).", ""]
        for given in (False, True):
            lines += _settings(names, given=given)
        told = [each for name in names for each in figures(name)]
        if told:
            lines += ["| Measured | | Beside | |", "|---|---|---|---|"]
            lines += [_figure(each) for each in {each["name"]: each for each in told}.values()]
            lines.append("")
    return "\n".join(lines)


def _settings(names: list[str], *, given: bool) -> list[str]:
    """Write the table of what learners of one file read where they act, or where they are given examples."""
    kinds = {name: kind for name in names if (kind := _kind(name, given=given)) is not None}
    if not kinds:
        return []
    read = {name: _read(name, kind) for name, kind in kinds.items()}
    lines = ["| Setting (`--set`) | Default | Allowed | Means |", "|---|---|---|---|"]
    widest = max((kind.settings for kind in kinds.values()), key=lambda of: len(fields(of)))
    for setting, default, bounds, meaning in _fields(widest):
        of = [name for name in read if setting in read[name]]
        if of:
            said = "; ".join(part for part in (meaning, _whose(of, list(read))) if part)
            lines.append(f"| `{setting}` | {default} | {bounds} | {said} |")
    return [*lines, ""]


def _whose(of: list[str], every: list[str]) -> str:
    """Say which learners of a file read a setting; nothing where all do."""
    others = [name for name in every if name not in of]
    word, told = ("not of", others) if len(others) < len(of) else ("of", of)
    return f"{word} {', '.join(f'`{each}`' for each in told)}" if others else ""


def _kind(name: str, *, given: bool) -> LearnerKind | FewShotKind | None:
    kind = any_kind(name)
    if given:
        found = kind.few_shot if isinstance(kind, LearnerKind) else kind
        return None if name in GIVEN_AS_MAML else found
    return kind if isinstance(kind, LearnerKind) else None


def _read(name: str, kind: LearnerKind | FewShotKind) -> set[str]:
    """Name the settings that come to something in one of the usual cases."""
    usual = kind.settings()
    chosen = [usual]
    for switch, values in SWITCHES.items():
        if hasattr(usual, switch):
            chosen += [replace(usual, **{switch: value}) for value in values]
    every = {each.name for each in fields(kind.settings)}
    families = PLAYED if isinstance(kind, LearnerKind) else [each for each in GIVEN if _takes(kind, each)]
    return set().union(*(every - kind.unread(name, family, settings) for family in families for settings in chosen))


def _takes(kind: FewShotKind, family: Any) -> bool:
    return (NUMBERS if family.ways is None else CLASSES) in kind.takes


def _fields(of: type[Any]) -> Iterator[tuple[str, str, str, str]]:
    """Give name, default, bounds and meaning of each setting."""
    hints, comments = get_type_hints(of, include_extras=True), _comments(of)
    for each in fields(of):
        bounds = get_args(hints[each.name])[1] if get_origin(hints[each.name]) is Annotated else ""
        yield each.name, f"`{_default(each)}`", str(bounds), comments.get(each.name, "").replace("|", "\\|")


def _default(of: Field[Any]) -> Any:
    if of.default is not MISSING:
        return list(of.default) if isinstance(of.default, tuple) else of.default
    return "a table"


def _comments(of: type[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in reversed(of.__mro__[:-1]):
        for match in re.finditer(r"^    (\w+): [^#\n]*(?:\n        [^#\n]*)*?  # (.+)$", getsource(each), re.M):
            found[match[1]] = match[2]
    return found


def _figure(each: Mapping[str, Any]) -> str:
    source = ", ".join(part for part in (each["source"], each["certainty"]) if part)
    sign = {"higher": "at least ", "lower": "at most ", "equal": "", "beside": ""}[each["better"]]
    missed = " (missed)" if each["reached"] is False else ""
    return f"| {each['name']} | **{_number(each['measured'])}**{missed} | {sign}{_number(each['target'])} | {source} |"


def _certainty(each: Mapping[str, Any]) -> str:
    return f" ({each['certainty'] or 'rival'})"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"


def _page(family: str) -> str:
    return family.replace("_", "-") + ".md"


def written() -> dict[Path, str]:
    """Give every file that is written, with its text."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    pages = {PAGES / _page(family): page(family) for family in dict.fromkeys(each.family for each in systems())}
    return {PAGE: f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}", **pages}


def main() -> None:
    """Write them."""
    for path, text in written().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
