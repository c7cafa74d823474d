"""Agents of any layer sizes, from files of this project's or of PyTorch's: safetensors, or `.pt` with weights only.

A file is a state dict: `NAME.weight` (outputs, inputs) and `NAME.bias` (outputs,) of linear layers, as `nn.Sequential`
and most modules write it. Layers belong together whose names differ in their last number alone, such as `mean.0` and
`mean.2`, or `fc1` and `fc2`; of several such networks the one from observations to actions is taken. What a state
dict does not tell, the activations, stands in the metadata of our safetensors, or the caller names it; else tanh.
Nothing is unpickled: PyTorch reads tensors, and refuses what would have to be run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from environments.controller import Controller

SAFETENSORS, PYTORCH = ".safetensors", (".pt", ".pth")
SUFFIXES = (SAFETENSORS, *PYTORCH)
MOST_LAYERS = 16
LARGEST_LAYER = 4096

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Agent:
    """A network and its parameters."""

    controller: Controller
    theta: NDArray[np.float32]  # (P,)


def load_agent(path: Path, inputs: int, outputs: int, activations: tuple[str, str] | None = None) -> Agent:
    """Read an agent that takes so many observations and gives so many actions.

    Args:
        path: of the file.
        inputs: observations.
        outputs: actions.
        activations: of the hidden layers and of the last; None for what the file says, or else tanh.

    Raises:
        ValueError: the file cannot be read, is of another kind, or holds no such network or several.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} ends in {path.suffix or 'nothing'}; an agent's file ends in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise ValueError(f"cannot read {path}: {'it is a folder' if path.is_dir() else 'no such file'}")
    tensors, metadata = _read_safetensors(path) if path.suffix == SAFETENSORS else (_read_pytorch(path), {})
    said = (metadata.get("activation", "tanh"), metadata.get("output", "tanh"))
    return agent_of(str(path), tensors, inputs, outputs, activations or said)


def agent_of(name: str, tensors: Tensors, inputs: int, outputs: int, activations: tuple[str, str]) -> Agent:
    """Make an agent of the tensors of a state dict.

    Args:
        name: what to call them where they are refused.
        tensors: by name, such as `0.weight` (outputs, inputs) and `0.bias` (outputs,).
        inputs: observations.
        outputs: actions.
        activations: of the hidden layers and of the last.

    Raises:
        ValueError: they hold no such network or several, or an activation is unknown.
    """
    layers = _network(name, tensors, inputs, outputs)
    try:
        controller = Controller((inputs, *(weights.shape[0] for weights, _ in layers)), *activations)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    parts = [part for weights, biases in layers for part in (weights.T.reshape(-1), biases)]
    return Agent(controller, np.concatenate(parts).astype(np.float32))


def _read_safetensors(path: Path) -> tuple[Tensors, Mapping[str, str]]:
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
            if not all(np.issubdtype(tensor.dtype, np.floating) for tensor in tensors.values()):
                raise TypeError("an agent's numbers are floats")
            return tensors, file.metadata() or {}
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file, or is truncated") from error
    except (AttributeError, TypeError, KeyError) as error:  # types that NumPy has not, such as bfloat16
        raise ValueError(f"{path} holds numbers of a type that cannot be read here; save it as float32") from error


def _read_pytorch(path: Path) -> Tensors:
    import torch  # noqa: PLC0415 - slow to load

    try:
        # Pickles that need more than tensors are refused, not run.
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:
        # PyTorch raises many kinds for a file that is not its own or holds objects.
        raise ValueError(
            f"{path} does not hold weights alone; write it by torch.save(network.state_dict(), {path.name!r})"
        ) from error
    return {
        name: tensor.detach().to(torch.float32).numpy()
        for name, tensor in _state_dict(found)
        if tensor.is_floating_point() and not tensor.is_sparse
    }


def _state_dict(found: Any) -> Iterator[tuple[str, Any]]:
    """Find the tensors of a state dict, or of those that a checkpoint keeps beside other things."""
    import torch  # noqa: PLC0415

    for name, value in found.items() if isinstance(found, Mapping) else ():
        if isinstance(value, torch.Tensor):
            yield str(name), value
        elif isinstance(value, Mapping):
            for inner, tensor in _state_dict(value):
                yield f"{name}.{inner}", tensor


Layers = list[tuple[NDArray[Any], NDArray[Any]]]


def _network(name: str, tensors: Tensors, inputs: int, outputs: int) -> Layers:
    networks = _networks(tensors)
    fitting = [layers for layers in networks.values() if (_sizes(layers)[0], _sizes(layers)[-1]) == (inputs, outputs)]
    if len(fitting) != 1:
        held = "; ".join(f"{key or 'one'} of {'-'.join(map(str, _sizes(layers)))}" for key, layers in networks.items())
        wanted = f"{inputs} inputs and {outputs} outputs"
        raise ValueError(
            f"{name} holds {'several networks' if fitting else 'no network'} of linear layers with {wanted}"
            f"{f' ({held[:200]})' if held else ''}; save the state dict of that one alone"
        )
    (layers,) = fitting
    sizes = _sizes(layers)
    if len(layers) > MOST_LAYERS or max(sizes) > LARGEST_LAYER:
        raise ValueError(
            f"{name} holds layers of {'-'.join(map(str, sizes))}; at most {MOST_LAYERS} of {LARGEST_LAYER} are taken"
        )
    return layers


def _sizes(layers: Layers) -> list[int]:
    return [layers[0][0].shape[1], *(weights.shape[0] for weights, _ in layers)]


def _networks(tensors: Tensors) -> dict[str, Layers]:
    """Put linear layers together that follow one another; by what their names have in common."""
    numbered: dict[str, list[tuple[int, str]]] = {}
    for name in tensors:
        if name.endswith(".weight"):
            layer = name.removesuffix(".weight")
            match = re.fullmatch(r"(.*?)(\d+)", layer)
            shared, number = (match[1], int(match[2])) if match else (layer, 0)
            numbered.setdefault(shared.rstrip("."), []).append((number, layer))
    found = {}
    for shared, members in numbered.items():
        layers = [
            (tensors[f"{layer}.weight"], tensors.get(f"{layer}.bias", np.zeros(len(tensors[f"{layer}.weight"]))))
            for _, layer in sorted(members)
        ]
        linear = all(weights.ndim == 2 and biases.shape == weights.shape[:1] for weights, biases in layers)
        if linear and all(before.shape[0] == after.shape[1] for (before, _), (after, _) in pairwise(layers)):
            found[shared] = layers
    return found
