"""Inspection's plain values as tables and trees for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from poet.commands.reference import Setting, shown
from poet.config import DRAWN
from poet.display.live import duration

Row = Mapping[str, Any]

LISTED = 8  # transfers of one niche
MATRIX_SIDE = 12  # most targets shown to people
METRIC_ROWS = 30  # shown to people; --json has them all, and more columns
METRICS = (
    "iteration",
    "active",
    "niches",
    "solved",
    "annecs",
    "mean_score",
    "best_score",
    "transfers",
    "episodes",
    "steps",
)
HEADINGS = {
    "description": "environment",
    "difficulty": "hard",
    "best_score": "best",
    "mean_score": "mean",
    "worth": "mean (95 %)",
    "iteration": "at",
    "transfers": "moves",
    "steps": "1,000 steps",
    "started": "started (UTC)",
}
SPARKS = "▁▂▃▄▅▆▇█"


def summary(figures: Row) -> RenderableType:
    """Lay out a run's headline figures."""
    table = _pairs()
    transfers, steps = figures["transfers"], sum(figures["steps"].values())
    table.add_row("run", f"{figures['domain']}, {figures['encoding']} encoding, seed {figures['seed']}")
    if source := figures["source"]:
        before = "" if source.get("steps") is None else f", {source['steps']:,} steps before"
        table.add_row("began with", f"{source['pairs']} pairs of the {source['kind']} {source['name']}{before}")
    table.add_row("iterations", f"{figures['iterations']:,} of {figures['iterations_wanted']:,}")
    table.add_row(
        "niches",
        f"{figures['niches']}: {figures['active']} active, {figures['retired']} retired, {figures['solved']} solved",
    )
    children = figures["children"]
    table.add_row("children", counted(children, "; ") or "none yet")
    if figures["injected"]:
        table.add_row("put in", f"{figures['injected']:,} environments were tried that a person put into the run")
    if figures["annecs"] is not None:
        created, solved = figures["annecs"]["created"], figures["annecs"]["created_and_solved"]
        table.add_row("ANNECS", f"{solved}, of {created} that challenged every agent, archived ones too, at creation")
    table.add_row("best agents", _best_agents(figures["best_agents"]))
    table.add_row("transfers", f"{_acceptance(transfers)}{_saving(figures['transfer_episodes'])}")
    if figures["novelty"]["pairings"]:
        novelty = figures["novelty"]
        known = f"{novelty['reused']:,} of {novelty['pairings']:,} scores were known"
        table.add_row("novelty", f"{novelty['measure']}: {known}, {novelty['reused'] / novelty['pairings']:.0%} saved")
    table.add_row("episodes", f"{sum(figures['episodes'].values()):,} ({steps:,} steps)")
    table.add_row("diverged episodes", f"{figures['diverged_episodes']:,}")
    return table


def settings(found: Sequence[Setting]) -> RenderableType:
    """Lay out explained settings; one alone with all that is known of it."""
    return Group(*(_setting(each, len(found) == 1) for each in found))


def _setting(setting: Setting, whole: bool) -> RenderableType:
    papers = {"POET": setting.papers["poet"], "Enhanced POET": setting.papers["enhanced"]}
    head = Text(f"{setting.key} ", style="bold")
    head.append(f"= {shown(setting.default)}", style="not bold")
    lines = [setting.meaning, setting.allowed]
    for name, published in papers.items():
        if published["value"] is None:
            continue
        source = f", by {published['source']}" if published.get("source") else ""
        note = f": {published['note']}" if whole and published.get("note") else ""
        lines.append(f"{name} {shown(published['value'])}{source}{note}")
    if whole and setting.presets:
        lines.append(f"presets: {', '.join(f'{name} {shown(value)}' for name, value in setting.presets.items())}")
    return Group(head, *(Padding(Text(line), (0, 0, 0, 4), expand=False) for line in lines))


def niches(entries: Sequence[Row]) -> RenderableType:
    """Lay out a list of niches."""
    dates = ("id", "parent", "born", "retired", "solved")
    columns = (*dates, "description", "difficulty", "score", "worth")
    return _table([{**entry, "worth": _mean(entry)} for entry in entries], columns)


def niche(entry: Row) -> RenderableType:
    """Lay out one niche."""
    table = _pairs()
    table.add_row("niche", f"{entry['id']}, environment {entry['environment']}")
    level = f" ({entry['difficulty_level']})" if entry["difficulty_level"] else ""
    table.add_row("terrain", f"{entry['description']}{level}; terrain seed {entry['terrain_seed']}")
    table.add_row("genome", ", ".join(f"{gene} {_gene(value)}" for gene, value in entry["genome"].items()))
    by_hand = "drawn by hand" if entry["encoding"] == DRAWN else "put in by hand"
    first = f"none: {by_hand}" if entry["injected"] else "none: the run began in it"
    table.add_row("ancestors", " < ".join(map(str, entry["ancestors"])) or first)
    table.add_row("born", f"iteration {entry['born']}")
    if entry["first_agent"] is not None:
        table.add_row(
            "admitted",
            f"the agent of niche {entry['first_agent']} scored {entry['first_score']:.1f} in it, "
            f"within the minimal criterion; novelty {entry['novelty']:.3f}",
        )
    if entry["archive_score"] is not None:
        table.add_row(
            "best ever", f"{entry['archive_score']:.1f} by any agent, archived ones too, when it was admitted"
        )
    table.add_row("retired", "active" if entry["retired"] is None else f"iteration {entry['retired']}")
    table.add_row("solved", "not yet" if entry["solved"] is None else f"iteration {entry['solved']}")
    if entry["scores"]:
        scores = [row["score"] for row in entry["scores"]]
        table.add_row("scores", f"{spark(scores)} {scores[0]:.1f} to {scores[-1]:.1f}, luckiest {max(scores):.1f}")
    latest = {name: values[-1] for name, values in entry["figures"].items() if name != "iteration" and values}
    if latest:
        table.add_row("last step", ", ".join(f"{name} {_figure(value)}" for name, value in latest.items()))
    table.add_row("best agent", _best_agent(entry))
    moves_in = [f"{row['source']} ({row['kind']}, iteration {row['iteration']})" for row in entry["transfers_in"]]
    moves_out = [f"{row['target']} (iteration {row['iteration']})" for row in entry["transfers_out"]]
    tried = entry["transfer_attempts"]
    table.add_row("transfers in", f"{tried['accepted']} accepted of {tried['tried']} tournaments")
    table.add_row("agents from", _listed(moves_in))
    table.add_row("agents to", _listed(moves_out))
    born = [f"{row['niche']}" for row in entry["children"] if row["niche"] is not None]
    table.add_row("children", f"{', '.join(born) or 'none'} admitted of {len(entry['children'])} tried")
    return table


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def lineage(entries: Sequence[Row]) -> RenderableType:
    """Draw the family tree."""
    branches: dict[int, Tree] = {}
    root = Tree(Text("lineage", style="bold"))
    for entry in entries:
        parent = root if entry["parent"] is None else branches[entry["parent"]]
        retired = "" if entry["retired"] is None else f", retired {entry['retired']}"
        label = Text.assemble(
            (str(entry["id"]), "bold"),
            f" {entry['description']} (born {entry['born']}{retired}",
            "" if entry["solved"] is None else Text.assemble(", ", (f"solved {entry['solved']}", "green")),
            f"; mean return {_text(entry['mean_return'])})",
        )
        branches[entry["id"]] = parent.add(label)
    return root


def transfers(figures: Row) -> RenderableType:
    """Lay out accepted moves of all tried as a matrix, target by source; the latest niches where there are many."""
    return _Matrix(figures)


@dataclass(frozen=True)
class _Matrix:
    """As many of the latest niches as the screen is wide enough for."""

    figures: Row

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unlimited = options.update(width=100 * MATRIX_SIDE)
        sides = range(min(MATRIX_SIDE, len(self.figures["attempts_by_target"])), 0, -1)
        tables = (self._table(side) for side in sides)
        fitting = (table for table in tables if console.measure(table, options=unlimited).maximum <= options.max_width)
        table = next(fitting, self._table(1))
        yield table
        left = len(self.figures["attempts_by_target"]) - table.row_count
        if left > 0:
            yield Text(f"{left} earlier niches are left out; --json has all")

    def _table(self, side: int) -> Table:
        targets = self.figures["attempts_by_target"][-side:]
        wanted = {row["target"] for row in targets}
        cells = {
            (move["source"], move["target"]): f"{move['moves']}/{move['attempts']}"
            for move in self.figures["moves"]
            if {move["source"], move["target"]} <= wanted
        }
        sources = sorted({source for source, _ in cells})
        title = f"transfers: {_acceptance(self.figures)}"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for heading in ("to \\ from", *map(str, sources), "accepted", "rate"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in targets:
            moves = [cells.get((source, row["target"]), "") for source in sources]
            rate = row["accepted"] / row["attempts"]
            table.add_row(str(row["target"]), *moves, f"{row['accepted']} of {row['attempts']}", f"{rate:.0%}")
        return table


def metrics(rows: Sequence[Row]) -> RenderableType:
    """Lay out metrics, thinned to what fits a screen."""
    stride = max(-(-len(rows) // METRIC_ROWS), 1)
    # Counted from the end, so that the latest iteration is always shown.
    shown = rows[::-1][::stride][::-1]
    return _table([{**row, "steps": round(row["steps"] / 1000)} for row in shown], METRICS)


def timing(figures: Row) -> RenderableType:
    """Lay out when and where a run ran."""
    columns = ("id", "host", "workers", "version", "started", "iterations", "seconds")
    table = _table([{**row, "started": row["started"][:16].replace("T", " ")} for row in figures["sessions"]], columns)
    total = f"{duration(figures['seconds'])} in all, {figures['steps_per_second']:,.0f} steps/s"
    return Group(table, Text(total))


def evaluation(rows: Sequence[Row], best: Sequence[Row], agents: int) -> RenderableType:
    """Lay out each terrain's best agent with its intervals, beside the mean over all agents."""
    # As narrow as can be: a long terrain's name and all figures must fit 80 columns.
    table = Table(box=SIMPLE_HEAD, padding=0, collapse_padding=True)
    table.add_column("terrain", min_width=max(len(word) for row in best for word in row["terrain"].split()))
    counts = {row["episodes"] for row in best}
    known = all(row["interval"] is not None for row in best)
    headings = ["best agent", *(f"{name} (95 %)" if known else name for name in ("mean", "solved"))]
    headings += ["episodes"] if len(counts) > 1 else []
    headings += ["all"] if agents > 1 else []
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in best:
        means = [each["mean"] for each in rows if each["terrain"] == row["terrain"]]
        table.add_row(
            row["terrain"],
            row["agent"],
            f"{row['mean']:.1f}{_between(row['interval'])}",
            f"{row['solved']:.0%}{_between(row['solved_interval'], 100)}",
            *([f"{row['episodes']:,}"] if len(counts) > 1 else []),
            *([f"{sum(means) / agents:.1f}"] if agents > 1 else []),
        )
    meaning = [f"mean: return of the {'agent that was best in other episodes' if agents > 1 else 'agent'}"]
    meaning += [f"all: mean return of all {agents} agents"] if agents > 1 else []
    meaning += [f"episodes of each agent on each terrain: {count:,}" for count in counts if len(counts) == 1]
    return Group(table, Text("; ".join(meaning)))


def findings(rows: Sequence[Row]) -> RenderableType:
    """List what works of the installation and what does not."""
    works, fails = ("works", "green"), ("fails", "red")
    parts = ((works if row["works"] else fails, f"  {row['part']:<15} {row['detail']}") for row in rows)
    return Text("\n").join(Text.assemble(*part) for part in parts)


def _best_agents(figures: Row) -> str:
    """Say what all best agents are worth."""
    count, of, episodes = (figures[key] for key in ("scored", "of", "episodes"))
    if not count:
        return f"none of {of} scored on fresh episodes yet; inspect --rescore does"
    lowest, highest = figures["lowest_mean"], figures["highest_mean"]
    rest = "" if count == of else f"; {of - count} to be scored, inspect --rescore does"
    return f"mean returns {lowest:.1f} to {highest:.1f}, of {episodes} fresh episodes each{rest}"


def _best_agent(entry: Row) -> str:
    """Say what one best agent is worth."""
    if entry["mean_return"] is None:
        return "not scored on fresh episodes yet; --rescore does"
    return (
        f"mean return {_mean(entry)} in {entry['fresh_episodes']} fresh episodes, "
        f"{entry['fresh_finished']} to the end; median {entry['median_return']:.1f}, seed {entry['median_seed']}"
    )


def _mean(entry: Row) -> str | None:
    """Write a mean return with its interval, if it is known."""
    if entry["mean_return"] is None:
        return None
    return f"{entry['mean_return']:.0f}{_between(entry['return_interval'])}"


def _between(interval: Sequence[float] | None, times: float = 1) -> str:
    """Write an interval behind its mean; nothing where none is known."""
    return "" if interval is None else f" ({times * interval[0]:.0f}..{times * interval[1]:.0f})"


def counted(figures: Mapping[str, int], separator: str = ", ") -> str:
    """Write counts in a line, such as ``3 train, 1 test``."""
    return separator.join(f"{count:,} {name}" for name, count in figures.items())


def spark(values: Sequence[float], width: int = 40) -> str:
    """Draw a curve in one line of text."""
    stride = max(len(values) / width, 1.0)
    thinned = [values[int(i * stride)] for i in range(min(width, len(values)))]
    low, high = min(thinned), max(thinned)
    scale = (len(SPARKS) - 1) / (high - low) if high > low else 0.0
    return "".join(SPARKS[round((value - low) * scale)] for value in thinned)


def _listed(items: Sequence[str]) -> str:
    """List the latest few."""
    shown = ", ".join(items[-LISTED:])
    earlier = len(items) - LISTED
    return (f"{earlier} earlier, {shown}" if earlier > 0 else shown) or "-"


def _acceptance(figures: Row) -> str:
    if not figures["attempts"]:
        return "none tried yet"
    rate = figures["accepted"] / figures["attempts"]
    kinds = f"{figures['direct']} direct, {figures['fine_tuned']} fine-tuned"
    return f"{figures['accepted']:,} of {figures['attempts']:,} accepted, {rate:.0%} ({kinds})"


def _saving(episodes: Row) -> str:
    """Compare what transfers cost with the original rule, where another is in use."""
    if not 0 < episodes["spent"] < (episodes["original_rule"] or 0):
        return ""
    return (
        f"; {episodes['spent']:,} episodes, {episodes['spent'] / episodes['original_rule']:.0%} of the original rule's"
    )


def _pairs() -> Table:
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    return table


def _table(rows: Sequence[Row], columns: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        wide = column == "description"
        heading = HEADINGS.get(column, column.replace("_", " "))
        table.add_column(heading, justify="left" if wide else "right", ratio=1 if wide else None)
    for row in rows:
        table.add_row(*(_text(row[column]) for column in columns))
    return table


def _gene(value: Any) -> str:
    """Write a gene; of a list of parts, or of a part with genes of its own, only how many of what."""
    if not isinstance(value, Mapping):
        return str(len(value)) if _is_table(value) else _text(value)
    inner = [f"{name} {_gene(each)}" for name, each in value.items()]
    return f"({', '.join(inner)})"


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and (not value or any(isinstance(each, Mapping | list) for each in value))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
    if isinstance(value, list):
        return f"{value[0]:g}-{value[1]:g}" if len(value) == 2 else "/".join(f"{each:g}" for each in value)
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)
