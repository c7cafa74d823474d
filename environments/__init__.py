"""What agents live in. Knows nothing of evolution.

Importing this package registers the Gymnasium ids `poet/Walker2D-v0` (a flat
course unless `task=` or `curriculum=` is given) and `poet/Walker2DHard-v0` (a
fixed, extremely challenging course).
"""

import gymnasium

from environments.domain import Environment

HARD = Environment(
    domain="walker2d",
    encoding="parametric",
    genome={"roughness": 4.5, "pit_gap": [4.8, 6.0], "stump_height": [1.8, 2.4]},
    seed=0,
)

FLAT = Environment(domain="walker2d", encoding="parametric", genome={}, seed=0)

for name, task in (("poet/Walker2D-v0", FLAT), ("poet/Walker2DHard-v0", HARD)):
    gymnasium.register(
        name,
        entry_point="environments.tasks:TaskEnv",
        vector_entry_point="environments.task_worlds:make_worlds",
        kwargs={"domain": "walker2d", "default": task},
    )
