"""What is kept of a hexapod run: `python -m benchmarks.hexapod_results RUN [-o FOLDER]`.

Its configuration, a summary with every niche and transfer, the scores of all
niches over the steps simulated, and a short film of the best agent on the
hardest ground that was solved. The run itself:
`poet evolve RUN --preset hexapod`.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import imageio.v3 as iio
import numpy as np
from matplotlib.figure import Figure

from environments.domain import NO_OUTCOME, find_domain
from environments.files import write_aside
from poet.archive import inspection
from poet.archive.best import best_agent
from poet.archive.figures import columns
from poet.archive.reading import read_config, reading

FOLDER = Path(__file__).parent / "results" / "hexapod"
STRIDE, SHRINK = 8, 2  # frames and pixels kept of the film: one in so many


def summarise(connection: Connection) -> dict[str, Any]:
    """Collect what the run found, without the layout of its archive."""
    scores = connection.execute(
        "SELECT niche, iteration, score, names, figures FROM score ORDER BY niche, iteration"
    ).fetchall()
    means = columns(connection, [tuple(row)[3:] for row in scores])["es_mean"]
    return {
        "summary": inspection.summary(connection),
        "niches": inspection.niches(connection),
        "transfers": inspection.transfers(connection),
        "metrics": inspection.metrics(connection),
        "scores": [[*tuple(row)[:3], float(mean)] for row, mean in zip(scores, means, strict=True)],
        "seconds": connection.execute("SELECT sum(seconds) FROM timing").fetchone()[0],
    }


def plot(found: dict[str, Any]) -> Figure:
    """Draw every niche's score, and the mean of its perturbed agents, over the steps of the whole run."""
    steps = np.cumsum([row["steps"] for row in found["metrics"]]) / 1e6
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for niche in found["niches"]:
        rows = [row for row in found["scores"] if row[0] == niche["id"]]
        times = [steps[row[1]] for row in rows]
        (line,) = axes.plot(times, [row[2] for row in rows], label=f"niche {niche['id']}: {niche['difficulty_level']}")
        axes.plot(times, [row[3] for row in rows], color=line.get_color(), linewidth=0.8, linestyle=":")
    axes.axhline(find_domain("hexapod3d").solved_return, color="#999999", linewidth=0.8)
    axes.set(xlabel="million control steps of the run", ylabel="return (dotted: mean of perturbed agents)")
    figure.legend(loc="outside right upper", fontsize=7, frameon=False)  # within, it would lie on the curves
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def film(connection, path: Path) -> tuple[int, float]:
    """Film the best agent of the hardest niche solved, or scored where none was; its niche and return."""
    domain, config = find_domain(read_config(connection).domain), read_config(connection)
    scored = [niche for niche in inspection.niches(connection) if niche["best_score"] is not None]
    solved = [niche for niche in scored if niche["solved"] is not None]
    niche = max(solved or scored, key=lambda each: each["difficulty"])
    best = best_agent(connection, niche["id"])
    act = domain.controller.policy(best.theta)
    env = domain.make_env(best.environment, render_mode="rgb_array", episode_limit=config.episode_limit)
    observation, info = env.reset(seed=0)
    frames, score, step = [], 0.0, 0
    while info["outcome"] == NO_OUTCOME:
        if step % STRIDE == 0:
            frames.append(np.asarray(env.render())[::SHRINK, ::SHRINK])
        observation, reward, _, _, info = env.step(act(observation))
        score, step = score + reward, step + 1
    rate = env.metadata["render_fps"]
    env.close()
    iio.imwrite(path, np.stack(frames), duration=1000 * STRIDE / rate, loop=0)
    return niche["id"], score


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("-o", dest="folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with reading(arguments.run) as connection:
        found = summarise(connection)
        niche, score = film(connection, arguments.folder / "film.gif")
    found["film"] = {"niche": niche, "return": score}
    shutil.copy(arguments.run / "config.toml", arguments.folder / "config.toml")
    write_aside(arguments.folder / "summary.json", f"{json.dumps(found, indent=1)}\n".encode())
    plot(found).savefig(arguments.folder / "curve.png", dpi=110)
    print(f"{arguments.folder}: {found['summary']['iterations']} iterations; filmed niche {niche}, return {score:.1f}")


if __name__ == "__main__":
    main()
