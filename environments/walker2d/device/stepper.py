"""Where the kernel that steps worlds runs: on a GPU, on the stream that PyTorch works on.

`worlds.py` knows a kernel by the protocol here alone, so that the same worlds run by the same text on another target.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Protocol

from environments.walker2d.device import driver, toolchain

SOURCE, ENTRY = "worlds.cu", "step_worlds"
BLOCK = 64  # threads
FEW, MOST = 48, 256  # contacts that the two builds hold; as in `native/constants.hpp`


class Stepper(Protocol):
    """The kernel of `native/worlds.cu`, in its two builds."""

    def launch(self, roomy: bool, threads: int, arguments: Sequence[int]) -> None:
        """Start one of the builds after whatever PyTorch has queued, and do not wait for it.

        Args:
            roomy: the build that holds all contacts.
            threads: how many.
            arguments: addresses, as the kernel takes them; the number of threads goes after them.
        """
        ...


class OnCard:
    """Steps worlds on a GPU.

    Args:
        device: PyTorch's, of kind "cuda".

    Raises:
        CardError, CompilerError: there is no such GPU, or it cannot be used; the message says why.
    """

    def __init__(self, device: Any) -> None:
        import torch  # noqa: PLC0415 - takes seconds to load, and few have a GPU

        if reason := driver.problem():
            raise driver.CardError(f"worlds on a GPU cannot be had: {reason}")
        place = torch.cuda.current_device() if device.index is None else device.index
        self._torch, self._device = torch, torch.device("cuda", place)
        self._card = driver.card(place)
        builds = [
            toolchain.binary(
                SOURCE, self._card.architecture, {"WALKER_CONTACTS": str(contacts), "WALKER_BLOCK": str(BLOCK)}
            )
            for contacts in (FEW, MOST)
        ]
        self._kernels = [self._card.load(build, ENTRY) for build in builds]

    def launch(self, roomy: bool, threads: int, arguments: Sequence[int]) -> None:
        """Start one of the builds; see `Stepper.launch`."""
        stream = self._torch.cuda.current_stream(self._device).cuda_stream
        values = [ctypes.c_uint64(each) for each in (*arguments, threads)]
        # A launch makes its card this thread's, for PyTorch too: whatever was the current one before is so again after.
        with self._torch.cuda.device(self._device):
            self._card.launch(self._kernels[roomy], -(-threads // BLOCK), BLOCK, values, stream)
