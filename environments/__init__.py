"""What agents live in. Knows nothing of evolution.

Importing this package registers the Gymnasium ids `poet/Walker2D-v0` (a flat
course unless `environment=` is given) and `poet/Walker2DHard-v0` (a fixed,
extremely challenging course).
"""

import gymnasium

from environments.domain import Environment

HARD = Environment(
    domain="walker2d",
    encoding="parametric",
    genome={"roughness": 4.5, "pit_gap": [4.8, 6.0], "stump_height": [1.8, 2.4]},
    seed=0,
)

_WALKER = "environments.walker2d.env:WalkerEnv"
_WALKERS = "environments.walker2d.vector:make_worlds"
gymnasium.register("poet/Walker2D-v0", entry_point=_WALKER, vector_entry_point=_WALKERS)
gymnasium.register(
    "poet/Walker2DHard-v0", entry_point=_WALKER, vector_entry_point=_WALKERS, kwargs={"environment": HARD}
)
