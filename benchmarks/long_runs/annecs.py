"""ANNECS of a run that did not measure it: were its grounds new to every agent that there had been?

Enhanced POET counts an environment that meets the minimal criterion for all agents, active and archived, at its
creation, and is later solved (arXiv:2003.08536, section 3.4). A run with `reproduction.whole_archive` knows. Of
another the archive keeps copies of agents: here every niche's last copy from before the ground was admitted plays it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cluster.executor import InProcess
from evolution.evaluator import Evaluator
from poet.archive.reading import read_config, read_population, reading
from poet.archive.rows import read_blob

Row = dict[str, Any]
KEPT = """
SELECT theta FROM agent JOIN (
    SELECT max(id) AS id FROM agent WHERE iteration < ? AND niche IN (SELECT id FROM niche WHERE born < ?)
    GROUP BY niche
) USING (id)
"""


def annecs_afterwards(folder: Path) -> Row:
    """Count the admitted grounds that met the criterion for every kept agent at their creation, and those solved.

    Returns:
        `created`, `created_and_solved`, and `agents`, the mean number of agents that a ground was tried by.
    """
    with reading(folder) as connection:
        config, population = read_config(connection), read_population(connection)
        solved = dict(iter(connection.execute("SELECT id, solved FROM niche")))
        trials = []
        for niche in population.niches:
            if niche.born:
                kept = [read_blob(row[0]) for row in connection.execute(KEPT, (niche.born, niche.born))]
                trials.append((niche, kept))
    evaluator, bounds = Evaluator(config.simulation(), InProcess()), config.minimal_criterion
    created, done = 0, 0
    for niche, kept in trials:
        requests = [
            evaluator.score_request(theta, niche.environment, (niche.born, niche.id), config.episodes_per_score)
            for theta in kept
        ]
        best = max((float(each.returns.mean()) for each in evaluator.run("score", requests)), default=-np.inf)
        new = bounds.lower <= best <= bounds.upper
        created += new
        done += new and solved[niche.id] is not None
    count = float(np.mean([len(kept) for _, kept in trials])) if trials else 0.0
    return {"created": created, "created_and_solved": done, "agents": round(count, 1)}
