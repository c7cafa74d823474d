"""A run of two iterations by an agent that walks, which admits ground that it solves at once."""

from pathlib import Path

from poet.run import Run

FIRST_AGENT = Path(__file__).parents[2] / "benchmarks" / "results" / "open_endedness" / "first_agent.safetensors"
SETTINGS = {
    "seed": 3,
    "iterations": 2,
    "score_episodes": 1,
    "episode_limit": 1600,
    "es": {"pairs": 1, "sigma": 0.01, "sigma_floor": 0.01, "step_size": 0.001},
    "minimal_criterion": {"lower": -150.0, "upper": 320.0},
    "reproduction": {"every": 1, "parent_score": 0.0, "children": 1, "capacity": 5},
    "encoding": {"name": "parametric", "options": {"kinds": ["roughness"]}},
}


def solving_run(folder):
    """Make it."""
    run = Run.create(folder, config=SETTINGS, agent=FIRST_AGENT)
    run.evolve(workers=1)
    return run.folder
