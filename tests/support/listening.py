"""What PyTorch is asked to do, counted."""

from torch.utils._python_dispatch import TorchDispatchMode


class Listening(TorchDispatchMode):
    """Counts operations by name."""

    def __init__(self):
        super().__init__()
        self.counts = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).removeprefix("aten.").split(".")[0]
        self.counts[name] = self.counts.get(name, 0) + 1
        return function(*args, **(kwargs or {}))
