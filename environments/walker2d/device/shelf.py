"""Courses on a device: laid out once, known by the number of their slot, and taken away when nobody can play them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from environments.walker2d import native
from environments.walker2d.device.courses import MODEL, VIEW
from environments.walker2d.physics import HIDDEN_SIZE

if TYPE_CHECKING:
    from torch import Tensor

NODE = 32  # bytes of a TreeNode
ALIGNMENT = 16  # bytes


class Shelf:
    """Courses of the native engine in a device's memory.

    Args:
        device: PyTorch's.
        patience: calls of `tick` that a course stays after it was last wanted, since worlds may be playing it.

    Attributes:
        views: (slots, 56) uint8 on the device, a row for each slot.
        numbers: (slots,) int64 on the device: what `put` was told of each course.
        hidden: (slots, 10) float32 on the device: what `put` was told of each body.
        nodes: of the largest tree so far.
    """

    def __init__(self, device: Any, patience: int) -> None:
        import torch  # noqa: PLC0415

        self._torch, self._device, self._patience = torch, device, patience
        self._ticks = 0
        self._slots: dict[Any, int] = {}
        self._kept: dict[int, Tensor] = {}
        self._free: list[int] = []
        self._left: dict[Any, int] = {}  # the tick at which a course was no longer wanted
        self._table = np.zeros(0, dtype=VIEW)
        self._numbers = np.zeros(0, dtype=np.int64)
        self._hidden = np.zeros((0, HIDDEN_SIZE), dtype=np.float32)
        self._ordinary = torch.from_numpy(np.frombuffer(native.walker_model(), dtype=np.uint8).copy()).to(device)
        self.nodes = 0
        self._grow(16)

    def __len__(self) -> int:
        return len(self._slots)

    def tick(self) -> None:
        """Count a step of all worlds."""
        self._ticks += 1

    def put(self, courses: list[Any], numbers: list[int], hidden: NDArray[np.float32]) -> NDArray[np.int32]:
        """Lay courses out where they are not yet, of all that are wanted from now on: the slot of each.

        Args:
            courses: of the native engine.
            numbers: one of each, for `numbers`.
            hidden: (courses, 10) a row of each, for `hidden`.
        """
        wanted = set(courses)
        self._take_away(wanted)
        changed = False
        for course, number, row in zip(courses, numbers, hidden, strict=True):
            if course not in self._slots:
                self._lay_out(course, number, row)
                changed = True
        if changed:
            self._upload()
        return np.array([self._slots[course] for course in courses], dtype=np.int32)

    def forget(self) -> None:
        """Know that worlds play nothing but what was wanted last: they have all begun anew."""
        self._left = dict.fromkeys(self._left, -self._patience - 1)

    def _take_away(self, wanted: set[Any]) -> None:
        for course in wanted:
            self._left.pop(course, None)
        for course in self._slots:
            if course not in wanted:
                self._left.setdefault(course, self._ticks)
        for course, since in list(self._left.items()):
            if self._ticks - since > self._patience:
                del self._left[course]
                slot = self._slots.pop(course)
                del self._kept[slot]
                self._free.append(slot)

    def _lay_out(self, course: Any, number: int, hidden: NDArray[np.float32]) -> None:
        *parts, origin, inverse_cell = course.parts()
        if not self._free:
            self._grow(2 * len(self._table))
        slot = self._free.pop()
        offsets = np.cumsum([0] + [-(-len(part) // ALIGNMENT) * ALIGNMENT for part in parts])
        memory = np.zeros(int(offsets[-1]), dtype=np.uint8)
        for offset, part in zip(offsets, parts, strict=False):
            memory[offset : offset + len(part)] = np.frombuffer(part, dtype=np.uint8)
        kept = self._kept[slot] = self._torch.from_numpy(memory).to(self._device, copy=True)
        addresses = [int(kept.data_ptr() + offset) for offset in offsets[:-1]]
        if not parts[MODEL]:
            addresses[MODEL] = self._ordinary.data_ptr()
        cells = len(parts[1]) // 4 - 1  # the starts of all cells, and the end
        self._table[slot] = (*addresses, len(course), cells, origin, inverse_cell)
        self._numbers[slot] = number
        self._hidden[slot] = hidden
        self._slots[course] = slot
        self.nodes = max(self.nodes, len(parts[3]) // NODE)

    def _grow(self, slots: int) -> None:
        more = slots - len(self._table)
        self._free += reversed(range(len(self._table), slots))
        self._table = np.concatenate([self._table, np.zeros(more, dtype=VIEW)])
        self._numbers = np.concatenate([self._numbers, np.zeros(more, dtype=np.int64)])
        self._hidden = np.concatenate([self._hidden, np.zeros((more, HIDDEN_SIZE), dtype=np.float32)])
        empty = self._torch.empty
        self.views = empty(slots, VIEW.itemsize, dtype=self._torch.uint8, device=self._device)
        self.numbers = empty(slots, dtype=self._torch.int64, device=self._device)
        self.hidden = empty(slots, HIDDEN_SIZE, dtype=self._torch.float32, device=self._device)
        self._upload()

    def _upload(self) -> None:
        rows = self._table.view(np.uint8).reshape(len(self._table), VIEW.itemsize)
        self.views.copy_(self._torch.from_numpy(rows))
        self.numbers.copy_(self._torch.from_numpy(self._numbers))
        self.hidden.copy_(self._torch.from_numpy(self._hidden))
