"""What agents live in. Knows nothing of evolution.

Importing this package registers the Gymnasium ids `poet/Walker2D-v0` (a flat
course unless `task=` or `curriculum=` is given) and `poet/Walker2DHard-v0` (a
fixed, extremely challenging course), and in the same way `poet/Hexapod3D-v0`
and, with joint targets in the place of a gait to modulate,
`poet/Hexapod3DJoints-v0`; with four and eight legs `poet/Quadruped3D-v0`,
`poet/Octopod3D-v0` and the like. `poet/Walker2DPublished-v0` is the walker
with the lidar of POET's published code.
"""

from pathlib import Path

from environments.domain import Environment
from environments.namesakes import refuse_namesake
from environments.registration import register

refuse_namesake("environments", Path(__file__).parent)

HARD = Environment(
    domain="walker2d",
    encoding="parametric",
    genome={"roughness": 4.5, "pit_gap": [4.8, 6.0], "stump_height": [1.8, 2.4]},
    seed=0,
)

FLAT, PUBLISHED, *LEGGED = (
    Environment(domain=domain, encoding="parametric", genome={}, seed=0)
    for domain in (
        "walker2d",
        "walker2d-published",
        "hexapod3d",
        "hexapod3d-joints",
        "quadruped3d",
        "quadruped3d-joints",
        "octopod3d",
        "octopod3d-joints",
    )
)

register(
    {
        "poet/Walker2D-v0": FLAT,
        "poet/Walker2DHard-v0": HARD,
        "poet/Walker2DPublished-v0": PUBLISHED,
        **{f"poet/{task.domain.title().replace('-', '')}-v0": task for task in LEGGED},
    }
)
