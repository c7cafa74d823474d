"""The ids under which Gymnasium makes our environments.

Gymnasium looks ids up in a table of its own process and, since 1.0, reads no
entry points: somebody has to register. Importing `environments` does. A
process that imports nothing of ours is told by the id itself to do so:
`gymnasium.make("environments:poet/Walker2D-v0")`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import gymnasium

from environments.domain import Environment

LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "walker2d": 2000,
        "walker2d-published": 2000,
        **{f"{body}3d{end}": 700 for body in ("quadruped", "hexapod", "octopod") for end in ("", "-joints")},
    }
)
"""Control steps of an episode by domain, here so that registering loads no engine; the domains' own numbers."""


def register(entries: Mapping[str, Environment]) -> None:
    """Tell Gymnasium of ids and the tasks that they play by default; an id that it knows already is left alone."""
    for name, task in entries.items():
        if name in gymnasium.registry:
            continue
        gymnasium.register(
            name,
            entry_point=f"environments.registration:{'WALKER' if task.domain.startswith('walker2d') else 'HEXAPOD'}",
            vector_entry_point="environments.tasks.worlds:make_worlds",
            max_episode_steps=LIMITS[task.domain],
            kwargs={"domain": task.domain, "default": task.to_json()},
        )


@dataclass(frozen=True)
class Maker:
    """Makes a body's environments for `gymnasium.make`, which ends episodes by a `TimeLimit` of its own.

    Attributes:
        metadata: what `gymnasium.make` reads before it makes one; without "human" it opens a window itself.
    """

    metadata: dict[str, Any]

    def __call__(
        self, domain: str, *, episode_limit: int | None = None, curriculum: Any = None, **settings: Any
    ) -> gymnasium.Env[Any, Any]:
        """Make a `TaskEnv`; `curriculum` may be a folder too.

        Raises:
            CurriculumError: the folder holds no curriculum.
            ValueError: `episode_limit` lies beyond the time limit, or a setting is not valid.
        """
        from environments.tasks.curriculum import Curriculum  # noqa: PLC0415 - tasks take time to load
        from environments.tasks.env import TaskEnv  # noqa: PLC0415
        from environments.tasks.resets import NO_LIMIT  # noqa: PLC0415

        longest = LIMITS[domain]
        if isinstance(episode_limit, int) and episode_limit > longest:
            raise ValueError(
                f"episode_limit is {episode_limit}, but Gymnasium's time limit ends an episode after {longest} steps; "
                f"give max_episode_steps={episode_limit} in its place"
            )
        limit = NO_LIMIT if episode_limit is None else episode_limit
        return TaskEnv(domain, curriculum=Curriculum.of(curriculum), episode_limit=limit, **settings)


WALKER, HEXAPOD = (
    Maker({"render_modes": modes, "render_fps": 50}) for modes in (["human", "rgb_array"], ["rgb_array"])
)
