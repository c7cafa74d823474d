"""What PyTorch is told before it computes on a GPU, so that the same training gives the same bits there."""

from __future__ import annotations

import os

import torch

WORKSPACE, DETERMINISTIC = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"  # NVIDIA's word for one workspace a stream


def prepare_device(device: str | torch.device) -> None:
    """Settle how PyTorch multiplies on a device; nothing where it is no GPU.

    cuBLAS and the recurrent units of cuDNN add in one order, and no product is rounded to TF32: acting step by step and
    learning from many steps at once must agree. Call it before anything has been computed there, since cuBLAS reads
    its setting when it starts; one that is set already stays.
    """
    if torch.device(device).type != "cuda":
        return
    os.environ.setdefault(WORKSPACE, DETERMINISTIC)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
