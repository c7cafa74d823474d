"""The README card of a curriculum: what it holds, in figures and pictures, and how to use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from environments.difficulty import LEVELS
from environments.domain import Domain, Environment
from environments.sketch import Drawable, Relief, Sketch
from environments.tasks.curriculum import BOUNDARY, SPLITS
from poet.agents import TORCH_NAMES
from poet.archive.domains import Remembered
from poet.archive.rescoring import EPISODES
from poet.config import Config
from poet.export.merging import Found
from poet.figures import Axes, Figure, LightSource, colormaps, plain_style
from poet.foreign import printable

Row = Mapping[str, Any]

COURSES = 8  # drawn, from easiest to hardest
COLOURS = {"train": "#2f6fb3", "validation": "#c98a1b", "test": "#b3402f", BOUNDARY: "#9aa0a6"}
LEAST_SPAN = 0.5  # m between a map's darkest and lightest ground, at least
EARTH, STONE, GRASS = "#d9cdbf", "#8b909a", "#5d8f4e"


@plain_style()
def write(folder: Path, rows: Sequence[Row], config: Config, domain: Domain | Remembered, origin: str) -> None:
    """Write `README.md` and its pictures into a curriculum's folder; `origin` says what invented it."""
    pictures = folder / "pictures"
    pictures.mkdir()
    _save(_overview(rows), pictures / "overview.png")
    drawn = isinstance(domain, Drawable)
    if isinstance(domain, Drawable):
        _save(_courses(rows, domain), pictures / "courses.png")
    (folder / "README.md").write_text(_text(rows, config, domain, drawn, origin), encoding="utf-8")


def origin_of(config: Config, rows: Sequence[Row]) -> str:
    """Say which run invented tasks."""
    births = max(row["born"] for row in rows)
    return f"run seed {config.seed}, encoding\n{config.encoding.name}, {births:,} iterations to the last birth."


def origin_of_several(several: Sequence[Found], rows: Sequence[Row]) -> str:
    """Say which runs invented tasks."""
    counts = [sum(row["run"] == found.name for row in rows) for found in several]
    lines = [
        f"| {_cell(found.name)} | {found.config.seed} | {found.iterations:,} | {count} |"
        for found, count in zip(several, counts, strict=True)
    ]
    shared = sum(bool(row["also_in"]) for row in rows)
    also = f" {shared} of the tasks were invented by several of them; `also_in` names the others." if shared else ""
    head = ["| run | seed | iterations | tasks |", "|---|---|---|---|"]
    return "\n".join(
        [
            f"{len(several)} runs,",
            f"encoding {several[0].config.encoding.name}.",
            "",
            *head,
            *lines,
            "",
            f"`run` and `run_niche` say which niche of which run a task is; `niche` numbers it here.{also}",
        ]
    )


def _cell(name: str) -> str:
    return printable(name).replace("|", "\\|")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})  # the same bytes by any version


def _hardness(row: Row) -> float:
    return float(row["born"] if row["difficulty"] is None else row["difficulty"])


def _courses(rows: Sequence[Row], domain: Drawable) -> Figure:
    ranked = sorted(rows, key=lambda row: (_hardness(row), row["niche"]))
    places = np.unique(np.linspace(0, len(ranked) - 1, min(COURSES, len(ranked))).round().astype(int))
    figure = Figure(figsize=(9, 0.95 * len(places) + 0.3), layout="constrained")
    for number, place in enumerate(places.tolist()):
        row = ranked[place]
        axes = figure.add_subplot(len(places), 1, number + 1)
        environment = Environment(
            domain=row["domain"], encoding=row["encoding"], genome=row["genome"], seed=row["terrain_seed"]
        )
        sketch = domain.sketch(environment)
        draw_course(axes, sketch)
        note = f": {sketch.note}" if sketch.note else ""
        best = f"return {row['solver_return']:.0f}"
        level = f", {row['difficulty_level']}" if row["difficulty_level"] else ""
        axes.set_title(f"niche {row['niche']} (born {row['born']}{level}; {best}){note}", fontsize=8, loc="left", pad=2)
    return figure


def draw_course(axes: Axes, sketch: Sketch) -> None:
    """Draw a course to scale: from above where it has a breadth, else from the side."""
    if sketch.relief is not None:
        _draw_map(axes, sketch.relief)
        return
    x, y = sketch.ground.T
    floor = float(y.min()) - 1.5
    axes.fill_between(x, y, floor, color=EARTH, linewidth=0)
    axes.plot(x, y, color=GRASS, linewidth=1)
    for corners in sketch.boxes:
        axes.fill(*corners.T, color=STONE, linewidth=0)
    top = max(float(y.max()), float(sketch.boxes[..., 1].max()) if len(sketch.boxes) else 0.0)
    axes.set_xlim(float(x.min()), float(x.max()))
    axes.set_ylim(floor, max(top + 0.8, floor + 5))
    axes.set_axis_off()


def _draw_map(axes: Axes, relief: Relief) -> None:
    heights = relief.heights.T
    middle, half = (heights.max() + heights.min()) / 2, max(np.ptp(heights), LEAST_SPAN) / 2
    light = LightSource(azdeg=315, altdeg=50)
    shaded = light.shade(
        heights,
        colormaps["gist_earth"],
        blend_mode="soft",
        vmin=middle - 1.5 * half,
        vmax=middle + 1.5 * half,
        dx=relief.cell,
        dy=relief.cell,
    )
    (left, bottom), (columns, rows) = relief.start, (relief.cell * np.array(relief.heights.shape)).tolist()
    axes.imshow(shaded, origin="lower", extent=(left, left + columns, bottom, bottom + rows), interpolation="bilinear")
    axes.set_axis_off()


def _overview(rows: Sequence[Row]) -> Figure:
    measured = rows[0]["difficulty"] is not None
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    # Without a measure of difficulty there is nothing to set against birth but the returns.
    panels = figure.subplots(1, 2 if measured else 1, squeeze=False)[0]
    right = panels[-1]
    for name in (*SPLITS, BOUNDARY):
        members = [row for row in rows if row["split"] == name]
        if not members:
            continue
        style: dict[str, Any] = {"s": 16, "color": COLOURS[name], "alpha": 0.8, "linewidths": 0}
        label = f"{name} ({len(members)})"
        if measured:
            panels[0].scatter(
                [row["born"] for row in members], [_hardness(row) for row in members], label=label, **style
            )
            panels[0].set(xlabel="born at iteration", ylabel="difficulty")
        returns = [row["solver_return"] for row in members]
        right.scatter([_hardness(row) for row in members], returns, label=label, **style)
    right.set(xlabel="difficulty" if measured else "born at iteration", ylabel="best agent's return")
    panels[0].legend(fontsize=7, frameon=False)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _text(rows: Sequence[Row], config: Config, domain: Domain | Remembered, drawn: bool, origin: str) -> str:
    returns = [row["solver_return"] for row in rows]
    levels = [row["difficulty_level"] for row in rows if row["difficulty_level"]]
    counted = ", ".join(f"{levels.count(level)} {level}" for level in dict.fromkeys(sorted(levels, key=_level_rank)))
    sizes = "\n".join(f"| {name} | {sum(row['split'] == name for row in rows)} |" for name in (*SPLITS, BOUNDARY))
    measured = rows[0]["difficulty"] is not None
    courses = "from the easiest to the hardest" if measured else "by birth"
    picture = f"![Courses {courses}](pictures/courses.png)\n\n" if drawn else ""
    overview = "Difficulty over birth, and returns over difficulty" if measured else "Returns over birth"
    best = f"{min(returns):.1f} to {max(returns):.1f}, mean {np.mean(returns):.1f}"
    level = "`level` is the vector that DCD's bipedal levels use."
    if rows[0]["level"] is None:
        level = f"`level`, for vectors such as DCD's bipedal levels, is null: {domain.name} has none for this encoding."
    first = rows[0]["id"]
    shortest = f"{config.episodes_per_score} episode{'s' if config.episodes_per_score > 1 else ''}"
    ids = [spec.id for spec in gymnasium.registry.values() if spec.kwargs.get("domain") == domain.name]
    gym_id = f"\n# or: gymnasium.make('{ids[0]}', curriculum='.')" if ids else ""
    return f"""# A curriculum of {len(rows)} tasks for {domain.name}

Invented by POET (arXiv:1901.01753) together with agents for them: {origin}

{picture}| tasks | {len(rows)} |
|---|---|
| solved by their own agents | {sum(row["solved"] for row in rows)} |
| returns of the best agents | {best} |
| difficulty | {counted or "not measured for this encoding"} |

![{overview}](pictures/overview.png)

| split | tasks |
|---|---|
{sizes}

No task and its parent lie in two splits; tasks on the boundary are there to keep that so and belong to none.

## Files

- `curriculum.json`: environments, gene names with bounds and units, splits, order, seeds, versions, sha256 of all else.
- `tasks.parquet` and `tasks.jsonl`: the same table, one row a task, in order of stage. {level}
- `tried.jsonl`: every environment that the run tried, admitted or not, in the split of its parent.
- `agents/ID.safetensors`: the agent that came furthest in a task; `agents/layers.json` has the layer sizes.
- `solver_return` is the mean return of that agent in {EPISODES} fresh episodes, by which nothing was chosen, with its
  95 % interval from `solver_return_low` to `solver_return_high`; `solver_median` is the return of the median one, whose
  seed is `solver_median_seed`; `solver_finished` is the share that came to the end. `luckiest_score` is the highest of
  all scores in the run, of {shortest} each: what the agent was kept for, and more than it is worth.

## Use

```python
import pandas  # without this project
tasks = pandas.read_parquet("tasks.parquet")

from environments.tasks.curriculum import Curriculum  # with it
curriculum = Curriculum.load(".")
env = curriculum.make_env("train"){gym_id}
env.set_task(curriculum.train_tasks[0])
observation, info = env.reset(seed=0)
observation, info = env.reset(options={{"task": "{first}"}})
```

An agent in PyTorch, layer sizes {"-".join(map(str, domain.controller.sizes))}, {_activations(domain)}:

```python
from safetensors.torch import load_file
network.load_state_dict(load_file("agents/{first}.safetensors"))  # {_modules(domain)}
```

Report returns on the test tasks over the episode seeds of `curriculum.json`; a task counts as solved from a return of
{domain.solved_return:g} on with its end reached.
"""


def _activations(domain: Domain | Remembered) -> str:
    hidden, last = domain.controller.activation, domain.controller.output
    same = hidden == last == "tanh"
    return "tanh after every layer" if same else f"{hidden} after each hidden layer, {last} after the last"


def _modules(domain: Domain | Remembered) -> str:
    kind = TORCH_NAMES[domain.controller.activation]
    return f"nn.Sequential(Linear, {kind}, Linear, {kind}, ...)"


def _level_rank(level: str) -> int:
    return LEVELS.index(level)
