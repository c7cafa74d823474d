"""Many walkers stepped together on a GPU, as a Gymnasium vector environment of PyTorch's tensors.

The worlds, tasks, seeds and rewards are those of `WalkerVectorEnv`, to the last
bit. Nothing is copied between the tensors and the kernel, and no step waits for
the device: what begins an episode, and by which seed, is decided there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from environments.domain import NO_OUTCOME, Environment
from environments.tasks.env import TaskLike, TaskSource
from environments.tasks.resets import Reset, Seeds, over
from environments.walker2d import native
from environments.walker2d.device.shelf import NODE, Shelf
from environments.walker2d.device.stepper import OnCard, Stepper
from environments.walker2d.env import EPISODE_LIMIT, Lidar, WalkerEnv
from environments.walker2d.vector import OBSERVATION, Course, built, hidden_of, lidar_of

if TYPE_CHECKING:
    from torch import Tensor

# As native/worlds.cu has them, which checks.
WORDS, DESK = 5154, 28800  # of a world between steps; bytes in which a thread of the roomy build works
FIELDS = (
    *("courses", "next", "playing", "words", "trees", "generators", "steps", "over", "spilt", "desks"),
    *("count", "limit", "nodes"),
)
SHARED = np.dtype([(name, np.uint64) for name in FIELDS])
SPILT_THREADS, PUBLISHED_THREADS = 64, 8192  # of the roomy build: for the few worlds that are left to it, and for all
HALF = 2**64


class WalkerTensorEnv(VectorEnv["Tensor", "Tensor", "Tensor"]):
    """Walkers on their courses, one world each, on a GPU; everything given and taken is a tensor there.

    What `WalkerVectorEnv` says of observations, actions, rewards, outcomes, seeds and starting anew holds here: float32
    (n, 24) and (n, 4), float64 (n,), bool (n,), int64 (n,). Actions may be of any library that shares arrays by DLPack,
    and so may those that take what comes back. Every step gives new tensors, which belong to the caller.

    With SAME_STEP `infos["final_obs"]` is a tensor too, (n, 24), and it is there after every step: whether an episode
    is over is not known outside of the device. DISABLED is refused for the same reason.

    Args:
        courses: one for each world; None is flat ground.
        source: where tasks are looked up; worlds on a GPU draw none.
        lidar: what the rays report; as the domain of the source or of the courses has it when None.
        told: append what is hidden of each world's body to its observations, as `WalkerVectorEnv` does.
        episode_limit: control steps before truncation, at least 1.
        autoreset_mode: NEXT_STEP or SAME_STEP.
        render_mode: None; pictures are for `WalkerVectorEnv`.
        device: where, as PyTorch names it: "cuda" or "cuda:N".
        stepper: runs the kernel there; NVIDIA's driver when None.

    Raises:
        CardError, CompilerError: there is no GPU that can be used; the message says why.
        RuntimeError: the native engine, which lays out the courses, is not built.
        ValueError: there are no courses, one is not valid, or a setting is out of range.
    """

    def __init__(
        self,
        courses: Sequence[Course],
        *,
        source: TaskSource | None = None,
        lidar: Lidar | None = None,
        told: bool = False,
        episode_limit: int = EPISODE_LIMIT,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        device: Any = "cuda",
        stepper: Stepper | None = None,
    ) -> None:
        reason = native.problem()
        if reason is not None:
            raise RuntimeError(f"WalkerTensorEnv needs the native engine, but {reason}")
        if not courses:
            raise ValueError("courses is empty; give one for each world, or None for flat ground")
        if source is not None and None in courses:
            raise ValueError("a course is None; worlds on a GPU draw no tasks, so give a task for each")
        if render_mode is not None:
            raise ValueError(f"render_mode is {render_mode!r}; worlds on a GPU have no pictures, so it must be None")
        import torch  # noqa: PLC0415 - takes seconds to load, and few have a GPU

        self._torch = torch
        self.device = torch.device(device)
        single = WalkerEnv(episode_limit=episode_limit, told=told)  # checks the limit
        self.lidar = lidar_of(courses, source) if lidar is None else lidar
        self.num_envs = len(courses)
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(single.observation_space, self.num_envs)
        self.action_space = batch_space(single.action_space, self.num_envs)
        self.episode_limit = episode_limit
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise ValueError("autoreset_mode is DISABLED; on a GPU it must be NEXT_STEP or SAME_STEP")
        self.metadata = {**WalkerEnv.metadata, "render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.render_mode = None
        self._stepper = OnCard(self.device) if stepper is None else stepper
        self.device = torch.empty(0, device=self.device).device  # by its number, whichever becomes the current one
        self._source = source
        self._tasks = source or TaskSource(self.lidar.value)
        self._begun = np.zeros(self.num_envs, dtype=np.bool_)  # the worlds that have ever been reset
        self._seeded = np.zeros(self.num_envs, dtype=np.bool_)  # that have a generator
        self._tells = told
        self._next = [built(course) for course in courses]
        self._hidden = np.stack([hidden_of(course) for course in courses])
        self._numbers = [course.number if isinstance(course, Environment) else 0 for course in courses]
        self._lay_out()

    def _lay_out(self) -> None:
        torch, n = self._torch, self.num_envs

        def zeros(*shape: int, dtype: Any) -> Tensor:
            made: Tensor = torch.zeros(shape, dtype=dtype, device=self.device)
            return made

        self._shelf = Shelf(self.device, patience=self.episode_limit + 2)
        self._slots, self._playing = (zeros(n, dtype=torch.int32) for _ in range(2))
        self._words = zeros(WORDS, n, dtype=torch.int32)
        self._trees = zeros(n, 0, dtype=torch.uint8)
        self._generators = zeros(4, n, dtype=torch.int64)
        self._steps = zeros(n, dtype=torch.int64)
        self._over, self._spilt, self._nobody = (zeros(n, dtype=torch.bool) for _ in range(3))
        self._threads = min(n, PUBLISHED_THREADS if self.lidar is Lidar.PUBLISHED else SPILT_THREADS)
        self._desks = zeros(self._threads, DESK, dtype=torch.uint8)
        self._shared = zeros(SHARED.itemsize, dtype=torch.uint8)
        self._told: bytes = b""  # what the device was told last of where all this lies
        self._put_courses()

    @property
    def tasks(self) -> list[int]:
        """The `Environment.number` of the tasks being played; 0 where there is none. Waits for the device."""
        numbers: list[int] = self._playing_numbers().tolist()
        return numbers

    def set_tasks(self, tasks: TaskLike | Sequence[TaskLike | None]) -> None:
        """Choose the task of every world, or one for each, from its next episode on; None changes nothing.

        Raises:
            CurriculumError: there are too many or too few, or one cannot be found.
        """
        self._choose(self._tasks.find_each(tasks, self.num_envs))

    def set_task(self, world: int, task: TaskLike) -> None:
        """Choose one world's task from its next episode on; raises as `set_tasks` does."""
        self._choose({world: self._tasks.find(task)})

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        """Begin episodes anew: all, or those where `options["reset_mask"]` is true; see `WalkerVectorEnv.reset`.

        The mask may be a tensor on the device, which is not waited for; then all worlds must have begun before, and
        the options name no task.

        Raises:
            RuntimeError: the worlds have been closed.
            ValueError: a seed, task, mask or option is not valid; nothing has changed then.
        """
        if self.closed:
            raise RuntimeError("the worlds have been closed; make others")
        given = dict(options or {})
        mask = given.get("reset_mask")
        there = self._checked_mask(given.pop("reset_mask"), given) if isinstance(mask, self._torch.Tensor) else None
        wanted = Reset.read(self.num_envs, seed, given, self._tasks)
        self._choose(wanted.tasks)
        begin = self._sent(wanted.mask) if there is None else there
        if there is None:
            self._begun |= wanted.mask
            if wanted.mask.all():
                self._shelf.forget()
        seeded = np.array([each is not None for each in wanted.seeds], dtype=np.bool_)
        seeds = self._sent(np.array([each or 0 for each in wanted.seeds], dtype=np.uint64).view(np.int64))
        self._seed(wanted.seeds, seeded, begin, wanted.mask)
        observations = self._empty(OBSERVATION, dtype=self._torch.float32)
        self._launch(None, begin, self._sent(seeded), seeds, [observations])
        outcomes = self._torch.where(begin, NO_OUTCOME, self._torch.zeros_like(self._steps))
        return self._with_hidden(observations), self._infos(outcomes, begin)

    def step(
        self, actions: Any, *, seeds: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Apply one action for 1/50 s in every world; see the class for worlds whose episode is over.

        Args:
            actions: float32 (n, 4) on the device, of PyTorch or by DLPack.
            seeds: int64 (n,) on the device, of the episodes that begin with this step; each world's own when None.
        """
        torch = self._torch
        actions = self._checked_actions(actions)
        seeds = None if seeds is None else self._checked_seeds(seeds)
        if self.closed or not self._begun.all():
            raise over(~self._begun | self.closed)
        observations = self._empty(OBSERVATION, dtype=torch.float32)
        rewards = self._empty(dtype=torch.float64)
        terminations, truncations = (self._empty(dtype=torch.bool) for _ in range(2))
        outcomes = self._empty(dtype=torch.int64)
        follows = self.autoreset_mode is AutoresetMode.SAME_STEP
        told = [observations, rewards, terminations, truncations, outcomes]
        self._launch(actions, self._nobody if follows else None, None, seeds, told)
        self._shelf.tick()
        seen = self._with_hidden(observations)
        everywhere = torch.ones_like(self._over)
        final: dict[str, Any] = {}
        if follows:
            ended = terminations | truncations
            last = self._infos(torch.where(ended, outcomes, 0), ended)
            final = {"final_obs": seen, "_final_obs": ended, "final_info": last, "_final_info": ended}
            outcomes = torch.where(ended, NO_OUTCOME, outcomes)
            observations = self._empty(OBSERVATION, dtype=torch.float32)
            self._launch(None, ended, None, None, [observations])
            seen = self._with_hidden(observations)
        infos = {**final, **self._infos(outcomes, everywhere)}
        return seen, rewards, terminations, truncations, infos

    def __reduce__(self) -> NoReturn:
        raise TypeError("worlds on a GPU cannot be copied or pickled; make others, and play the same actions there")

    def _launch(
        self, actions: Tensor | None, begin: Tensor | None, seeded: Tensor | None, seeds: Tensor | None, told: list[Any]
    ) -> None:
        self._tell()
        given = [*(actions, begin, seeded, seeds), *told, *[None] * (5 - len(told))]
        addresses = [self._shared.data_ptr(), *(0 if each is None else each.data_ptr() for each in given)]
        if self.lidar is not Lidar.PUBLISHED:
            self._stepper.launch(False, self.num_envs, addresses)
        self._stepper.launch(True, self._threads, addresses)

    def _tell(self) -> None:
        """Tell the device where everything lies, if that has changed."""
        published = self.lidar is Lidar.PUBLISHED
        kept = (
            *(self._shelf.views, self._slots, self._playing, self._words),
            *(self._trees if published else None, self._generators, self._steps, self._over, self._spilt, self._desks),
        )
        row = np.zeros((), dtype=SHARED)
        row[()] = (
            *(0 if each is None else each.data_ptr() for each in kept),
            *(self.num_envs, self.episode_limit, self._shelf.nodes),
        )
        if row.tobytes() != self._told:
            self._told = row.tobytes()
            self._shared.copy_(self._sent(np.frombuffer(self._told, dtype=np.uint8)))

    def _choose(self, tasks: dict[int, Environment]) -> None:
        courses = {world: native.course_of(task) for world, task in tasks.items()}  # checks them all first
        for world, task in tasks.items():
            self._next[world], self._numbers[world] = courses[world], task.number
            self._hidden[world] = hidden_of(task)
        if tasks:
            self._put_courses()

    def _put_courses(self) -> None:
        self._slots.copy_(self._sent(self._shelf.put(self._next, self._numbers, self._hidden)))
        size = self._shelf.nodes * NODE
        if self.lidar is Lidar.PUBLISHED and self._trees.shape[1] < size:
            larger = self._torch.zeros(self.num_envs, size, dtype=self._torch.uint8, device=self.device)
            larger[:, : self._trees.shape[1]] = self._trees
            self._trees = larger

    def _seed(self, seeds: list[int | None], seeded: NDArray[np.bool_], begin: Tensor, mask: NDArray[np.bool_]) -> None:
        """Make the generators of worlds that are seeded, or begin for the first time."""
        renewed = mask & (seeded | ~self._seeded)
        if not renewed.any():
            return
        states = np.zeros((4, self.num_envs), dtype=np.uint64)
        for world in np.flatnonzero(renewed).tolist():
            state: Any = np.random.PCG64(np.random.SeedSequence(seeds[world])).state["state"]
            states[:, world] = [half for name in ("state", "inc") for half in divmod(state[name], HALF)]
        new = self._sent(states.view(np.int64))
        self._generators.copy_(self._torch.where(begin & self._sent(renewed), new, self._generators))
        self._seeded |= renewed

    def _checked_mask(self, mask: Tensor, others: dict[str, Any]) -> Tensor:
        if "task" in others:
            raise ValueError("options has 'task' beside a reset_mask on the device; choose tasks by set_tasks")
        if tuple(mask.shape) != (self.num_envs,) or mask.dtype != self._torch.bool or mask.device != self._slots.device:
            raise ValueError(
                f"reset_mask is {mask.dtype} of shape {tuple(mask.shape)} on {mask.device}; it must be torch.bool of "
                f"({self.num_envs},) on {self._slots.device}, or a NumPy array"
            )
        if not self._begun.all():
            raise over(~self._begun)
        return mask.contiguous()

    def _checked_seeds(self, seeds: Tensor) -> Tensor:
        wanted = (self.num_envs,), self._torch.int64, self._slots.device
        if (tuple(seeds.shape), seeds.dtype, seeds.device) != wanted:
            raise ValueError(
                f"seeds is {seeds.dtype} of shape {tuple(seeds.shape)} on {seeds.device}; it must be torch.int64 of "
                f"({self.num_envs},) on {self._slots.device}"
            )
        return seeds.contiguous()

    def _checked_actions(self, actions: Any) -> Tensor:
        torch = self._torch
        if not isinstance(actions, torch.Tensor):
            if not hasattr(actions, "__dlpack__"):
                raise ValueError(f"actions is a {type(actions).__name__}; it must be a tensor on {self._slots.device}")
            actions = torch.from_dlpack(actions)
        if tuple(actions.shape) != self.action_space.shape or actions.device != self._slots.device:
            raise ValueError(
                f"actions has shape {tuple(actions.shape)} on {actions.device}; it must be {self.action_space.shape} "
                f"on {self._slots.device}"
            )
        found: Tensor = actions.detach().to(torch.float32).contiguous()
        return found

    def _empty(self, *width: int, dtype: Any) -> Tensor:
        made: Tensor = self._torch.empty(self.num_envs, *width, dtype=dtype, device=self.device)
        return made

    def _sent(self, array: NDArray[Any]) -> Tensor:
        return self._torch.tensor(array, device=self.device)

    def _with_hidden(self, observations: Tensor) -> Tensor:
        if not self._tells:
            return observations
        joined: Tensor = self._torch.cat([observations, self._shelf.hidden[self._playing.long()]], dim=1)
        return joined

    def _playing_numbers(self) -> Tensor:
        return self._shelf.numbers[self._playing.long()]

    def _infos(self, outcomes: Tensor, told: Tensor) -> dict[str, Any]:
        """Say how the episodes stand in the worlds that are told of; like Gymnasium's, 0 elsewhere."""
        infos: dict[str, Any] = {"outcome": outcomes, "_outcome": told}
        if self._source is not None:
            infos |= {"task": self._torch.where(told, self._playing_numbers(), 0), "_task": told}
        return infos
