"""Agents that somebody brings: a file, a network of PyTorch's, or theta alone."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.agent_files import SUFFIXES, Agent, agent_of, load_agent
from environments.controller import ACTIVATIONS, NO_ACTIVATION, Controller
from environments.domain import find_domain
from poet.errors import InputError

if TYPE_CHECKING:
    import torch

PROBES = 16  # observations on which a network must act as the agent that was made of it
CLOSE = 1e-3  # of actions in [-1, 1]: PyTorch sums in another order and has another tanh
MODULES = {
    "Tanh": "tanh",
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "SiLU": "silu",
    "Sigmoid": "sigmoid",
}  # PyTorch's names of activations, and ours
TORCH_NAMES = {ours: name for name, ours in MODULES.items()}
TRANSPARENT = ("Linear", "Identity", "Hardtanh", "Dropout")  # modules that an agent has, or acts the same without


class HasController(Protocol):
    """An agent of a run, or of a file."""

    @property
    def controller(self) -> Controller:
        """Its network."""
        ...

    @property
    def theta(self) -> NDArray[Any]:
        """Its parameters, (P,)."""
        ...


Brought: TypeAlias = "Path | str | NDArray[Any] | HasController | torch.nn.Module"
"""What a caller may bring as an agent."""


@dataclass(frozen=True, slots=True, eq=False)
class Beginner:
    """An agent to begin with."""

    name: str  # what to call it in a sentence
    controller: Controller
    theta: NDArray[np.float64]  # (P,)


def is_agent_file(path: Path) -> bool:
    """Say whether a path names an agent's file rather than a run's folder."""
    return path.suffix in SUFFIXES and not path.is_dir()


def read_agent_file(path: Path, domain: str, activations: tuple[str, str] | None = None) -> Agent:
    """Read an agent that can live in a domain.

    Raises:
        InputError: it cannot be read, or takes other observations or gives other actions.
    """
    own = find_domain(domain).controller.sizes
    try:
        return load_agent(path, own[0], own[-1], activations)
    except ValueError as error:
        raise InputError(str(error)) from error


def take_agent(
    brought: Brought, domain: str, controller: Controller, activations: tuple[str, str] | None = None
) -> Beginner:
    """Make an agent of what a caller brought.

    Args:
        brought: a file's path, a network of PyTorch's, theta (P,), or an object with `controller` and `theta`.
        domain: where it is to live.
        controller: what theta alone is the parameters of.
        activations: of the hidden layers and of the last, where a file or a network does not say.

    Raises:
        InputError: it is none of these, or cannot live there.
    """
    if isinstance(brought, str | Path):
        found = read_agent_file(Path(brought), domain, activations)
        return _finite(Beginner(str(brought), found.controller, found.theta.astype(np.float64)))
    if "torch" in sys.modules and isinstance(brought, sys.modules["torch"].nn.Module):
        return _finite(_of_network(brought, domain, activations))
    if activations is not None:
        raise InputError("activations go with an agent that is a file or a network")
    own = getattr(brought, "controller", None)
    if isinstance(own, Controller):
        return _finite(Beginner("the agent", own, _theta(getattr(brought, "theta", None))))
    return _finite(Beginner("theta", controller, _theta(brought)))


def _theta(brought: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(brought, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"agent is {type(brought).__name__}; it must be a file's path, a torch.nn.Module, theta as an array, "
            "or an agent of a run"
        ) from error


def _finite(agent: Beginner) -> Beginner:
    if agent.theta.shape != (agent.controller.parameters,):
        raise InputError(
            f"{agent.name} has shape {agent.theta.shape}; an agent of {agent.controller} has "
            f"({agent.controller.parameters},)"
        )
    if not np.isfinite(agent.theta).all():
        raise InputError(f"{agent.name} holds numbers that are not finite")
    return agent


def _of_network(network: Any, domain: str, activations: tuple[str, str] | None) -> Beginner:
    import torch  # noqa: PLC0415 - slow to load, and loaded already by who has a network

    name = f"the network {type(network).__name__}"
    own = find_domain(domain).controller.sizes
    tensors = {key: tensor.detach().cpu().float().numpy() for key, tensor in network.state_dict().items()}
    try:
        found = agent_of(name, tensors, own[0], own[-1], activations or _activations(name, network))
    except ValueError as error:
        raise InputError(str(error)) from error
    observations = np.random.default_rng(0).uniform(-1, 1, (PROBES, own[0])).astype(np.float32)
    act = found.controller.policy(found.theta)
    expected = np.stack([act(observation) for observation in observations])
    training = network.training
    try:
        network.eval()
        like = next(network.parameters())
        with torch.no_grad():
            acted = network(torch.as_tensor(observations).to(like))
            actions = acted.detach().cpu().float().numpy().clip(-1, 1)
    except Exception as error:
        raise InputError(f"{name} cannot be tried on observations ({PROBES}, {own[0]}): {error}") from error
    finally:
        network.train(training)
    if actions.shape != expected.shape or not np.allclose(actions, expected, atol=CLOSE, equal_nan=True):
        raise InputError(
            f"{name} does not act as its linear layers with {found.controller.activation} between them and "
            f"{found.controller.output} after the last; give `activations`, or bring a plain multilayer perceptron"
        )
    return Beginner(name, found.controller, found.theta.astype(np.float64))


def _activations(name: str, network: Any) -> tuple[str, str]:
    """Read activations off a network's modules: one kind between the layers, and the last one's or none."""
    kinds = [type(module).__name__ for module in network.modules() if not list(module.children())]
    kinds = [kind for kind in kinds if kind == "Linear" or kind not in TRANSPARENT]
    if odd := [kind for kind in kinds if kind != "Linear" and kind not in MODULES]:
        raise InputError(
            f"{name} has a module {odd[0]}; an agent has Linear layers and one of {', '.join(MODULES)} between them"
        )
    used = [kind for kind in kinds if kind in MODULES]
    if not used:  # they are called in its `forward`: the commonest is tried, and tested
        return "tanh", "tanh"
    last = MODULES.get(kinds[-1], NO_ACTIVATION)
    hidden = used[:-1] if kinds[-1] in MODULES else used
    return MODULES[hidden[0] if hidden else used[0]], last


def parse_activations(text: str | None) -> tuple[str, str] | None:
    """Read ``HIDDEN,LAST``.

    Raises:
        InputError: it is not two names of activations.
    """
    if text is None:
        return None
    hidden, comma, last = text.partition(",")
    if not comma or hidden not in ACTIVATIONS or last not in (*ACTIVATIONS, NO_ACTIVATION):
        raise InputError(
            f"--activations is {text!r}; it must be two of {', '.join(ACTIVATIONS)}, such as relu,tanh; "
            f"the second may be {NO_ACTIVATION}"
        )
    return hidden, last
