"""PPO over the train tasks of an exported curriculum, in one file in the manner of CleanRL.

    poet export runs/quick -o curriculum
    python examples/ppo.py curriculum [--steps 1000000] [-o ppo.safetensors]
    poet evaluate ppo.safetensors --curriculum curriculum
    poet render runs/quick 0 --agent ppo.safetensors -o ppo.gif

Worlds step together on the native engine; every episode draws another task. What is written is the mean of the
policy, whose last layer has no activation.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Callable
from functools import partial

import gymnasium
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

import environments  # noqa: F401 - registers poet/Walker2D-v0

WORLDS, LENGTH, EPOCHS, BATCHES = 64, 128, 6, 8
SHOW_EVERY = 2.0  # s
GAMMA, LAMBDA, CLIP, STEP_SIZE = 0.99, 0.95, 0.2, 1e-3


class Agent(nn.Module):
    """A Gaussian policy and a value, two hidden layers each."""

    def __init__(self, observations: int, actions: int) -> None:
        super().__init__()
        self.mean = _network(observations, actions, 0.01)
        self.value = _network(observations, 1, 1.0)
        self.log_deviation = nn.Parameter(torch.full((actions,), -0.5))

    def distribution(self, observations: torch.Tensor) -> torch.distributions.Independent:
        normal = torch.distributions.Normal(self.mean(observations), self.log_deviation.exp())
        return torch.distributions.Independent(normal, 1)


def _network(inputs: int, outputs: int, scale: float) -> nn.Sequential:
    layers = [nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs)]
    for layer, gain in zip(layers[::2], (2**0.5, 2**0.5, scale), strict=True):
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def train(
    curriculum: str, steps: int, seed: int = 0, output: str | None = None, show: Callable[[str], None] | None = None
) -> list[float]:
    """Learn for so many environment steps; gives the mean return of the last 100 episodes after every update.

    Args:
        curriculum: folder that `poet export` wrote.
        steps: to learn for.
        seed: of everything random.
        output: safetensors file to write the agent to.
        show: told now and then how it goes.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    envs = gymnasium.make_vec("poet/Walker2D-v0", num_envs=WORLDS, curriculum=curriculum, split="train")
    agent = Agent(24, 4)
    optimiser = torch.optim.Adam(agent.parameters(), lr=STEP_SIZE, eps=1e-5)
    observation, _ = envs.reset(seed=seed)
    running, finished, curve = np.zeros(WORLDS), deque(maxlen=100), []
    fresh = np.zeros(WORLDS, dtype=bool)  # worlds whose last step began an episode: its action was ignored
    shown = 0.0
    for update in range(max(steps // (WORLDS * LENGTH), 1)):
        stored = {name: [] for name in ("observation", "action", "log_probability", "value", "reward", "end", "fresh")}
        for _ in range(LENGTH):
            seen = torch.from_numpy(observation)
            with torch.no_grad():
                distribution = agent.distribution(seen)
                action = distribution.sample()
                value = agent.value(seen)[:, 0]
            observation, reward, terminated, truncated, _ = envs.step(action.numpy())
            end = terminated | truncated
            running += reward
            finished.extend(running[end])
            running[end] = 0
            row = (seen, action, distribution.log_prob(action), value)
            row += tuple(torch.from_numpy(each.copy()) for each in (reward.astype(np.float32), end, fresh))
            for name, each in zip(stored, row, strict=True):
                stored[name].append(each)
            fresh = end
        batch = {name: torch.stack(each) for name, each in stored.items()}
        with torch.no_grad():
            last = agent.value(torch.from_numpy(observation))[:, 0]
        _update(agent, optimiser, batch, last)
        curve.append(float(np.mean(finished)) if finished else float("nan"))
        if show is not None and time.perf_counter() - shown > SHOW_EVERY:
            shown = time.perf_counter()
            show(f"{(update + 1) * WORLDS * LENGTH:>9,} of {steps:,} steps: mean return {curve[-1]:.1f}")
    envs.close()
    if output is not None:
        save_file(agent.mean.state_dict(), output, {"activation": "tanh", "output": "none"})
    return curve


def _advantages(batch: dict[str, torch.Tensor], last: torch.Tensor) -> torch.Tensor:
    advantages, ahead, following = torch.zeros_like(batch["value"]), torch.zeros(WORLDS), last
    for t in reversed(range(LENGTH)):
        going = (~batch["end"][t]).float()
        error = 0.05 * batch["reward"][t] + GAMMA * following * going - batch["value"][t]
        ahead = error + GAMMA * LAMBDA * going * ahead
        advantages[t], following = ahead, batch["value"][t]
    return advantages


def _update(agent: Agent, optimiser: torch.optim.Optimizer, batch: dict[str, torch.Tensor], last: torch.Tensor) -> None:
    advantages = _advantages(batch, last)
    keep = ~batch["fresh"].flatten()
    flat = {name: each.flatten(0, 1)[keep] for name, each in batch.items()}
    advantages, targets = advantages.flatten()[keep], (advantages + batch["value"]).flatten()[keep]
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(targets)).chunk(BATCHES):
            distribution = agent.distribution(flat["observation"][rows])
            ratio = (distribution.log_prob(flat["action"][rows]) - flat["log_probability"][rows]).exp()
            gain = (advantages[rows] - advantages[rows].mean()) / (advantages[rows].std() + 1e-8)
            policy_loss = -torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain).mean()
            value_loss = (agent.value(flat["observation"][rows])[:, 0] - targets[rows]).square().mean()
            optimiser.zero_grad()
            (policy_loss + 0.5 * value_loss).backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimiser.step()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curriculum")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", default="ppo.safetensors")
    options = parser.parse_args()
    started = time.perf_counter()
    curve = train(options.curriculum, options.steps, options.seed, options.output, partial(print, flush=True))
    print(f"{len(curve) * WORLDS * LENGTH:>9,} steps: mean return {curve[-1]:.1f}")
    print(f"{time.perf_counter() - started:.0f} s; the agent is in {options.output}")
    print(f"next: poet evaluate {options.output} --curriculum {options.curriculum}")
