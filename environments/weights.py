"""Agents as safetensors files that PyTorch reads without this project.

A file holds `0.weight`, `0.bias`, `2.weight`, ...: the state dict of
`nn.Sequential(Linear, Tanh, Linear, Tanh, ...)`, weights as (outputs, inputs).
Values are float32, the precision that agents act in.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from environments.controller import Controller


def agent_bytes(controller: Controller, theta: NDArray[np.floating]) -> bytes:
    """Write an agent; equal agents give equal bytes."""
    tensors = {}
    for number, (weights, biases) in enumerate(controller.layers(theta.astype(np.float32))):
        tensors[f"{2 * number}.weight"] = np.ascontiguousarray(weights.T)
        tensors[f"{2 * number}.bias"] = np.ascontiguousarray(biases)
    # Without metadata a file is read as tanh throughout, and old agents keep their bytes.
    kinds = {"activation": controller.activation, "output": controller.output}
    return save(tensors, None if set(kinds.values()) == {"tanh"} else kinds)


def read_agent(path: Path, controller: Controller) -> NDArray[np.float32]:
    """Read an agent as theta (P,).

    Raises:
        ValueError: the file cannot be read, is not safetensors or holds another network.
    """
    try:
        tensors = load(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file, or is truncated") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # Types that NumPy has not, such as bfloat16.
        raise ValueError(f"{path} holds numbers of a type that cannot be read here; save it as float32") from error
    odd = {name: str(tensor.dtype) for name, tensor in tensors.items() if tensor.dtype.kind != "f"}
    if odd:
        raise ValueError(
            f"{path} holds {', '.join(f'{name} as {kind}' for name, kind in odd.items())}; save it as float32"
        )
    theta = np.empty(controller.parameters, dtype=np.float32)
    layers = controller.layers(theta)
    found = {name: tensor.shape for name, tensor in tensors.items()}
    expected = {f"{2 * n}.weight": weights.shape[::-1] for n, (weights, _) in enumerate(layers)}
    expected |= {f"{2 * n}.bias": biases.shape for n, (_, biases) in enumerate(layers)}
    if found != expected:
        sizes = "-".join(map(str, controller.sizes))
        raise ValueError(f"{path} holds tensors {found}; an agent of {sizes} layers has {expected}")
    for number, (weights, biases) in enumerate(layers):
        weights[:] = tensors[f"{2 * number}.weight"].T
        biases[:] = tensors[f"{2 * number}.bias"]
    return theta
