"""Work items as bytes, with what many of them share sent once to each worker.

A shared value is named by the digest of its content, so a theta that has not
changed is not sent again, whichever items it returns in. The master mirrors
each worker's store: it knows what is there and says what to drop.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

from cluster.executor import WorkItem

STORE_BYTES = 32 * 2**20  # kept by each worker
STORE_VALUES = 1024
DIGEST_BYTES = 16
PROTOCOL = 5

Parcel = tuple[list[bytes], dict[bytes, bytes], bytes]
"""What to drop, what to add, and the items that refer to what is then there."""


class Sharing:
    """The shared values of items that are under way together, pickled and named once each."""

    def __init__(self) -> None:
        self.pickled: dict[bytes, bytes] = {}
        # By identity, and so with the value, that nothing else takes its place.
        self._digests: dict[int, tuple[object, bytes]] = {}

    def digests(self, item: WorkItem[Any]) -> list[bytes]:
        """Name an item's shared values."""
        return [self._digest(value) for value in _shared(item)]

    def pack(self, items: Sequence[WorkItem[Any]]) -> bytes:
        """Pickle items with references in the place of what they share."""
        file = io.BytesIO()
        _Packer(file, {id(value): self._digest(value) for item in items for value in _shared(item)}).dump(list(items))
        return file.getvalue()

    def _digest(self, value: object) -> bytes:
        known = self._digests.get(id(value))
        if known is not None:
            return known[1]
        pickled = pickle.dumps(value, PROTOCOL)
        digest = blake2b(pickled, digest_size=DIGEST_BYTES).digest()
        self._digests[id(value)] = value, digest
        self.pickled.setdefault(digest, pickled)
        return digest


def _shared(item: Any) -> list[object]:
    own = [getattr(item, name) for name in getattr(item, "shared", ())]
    return own + [value for part in getattr(item, "parts", ()) for value in _shared(part)]


class Ledger:
    """What one worker holds, least recently used first: the master's side."""

    def __init__(self, limit: int = STORE_BYTES, values: int = STORE_VALUES) -> None:
        self._limit, self._values = limit, values
        self._sizes: dict[bytes, int] = {}
        self._total = 0

    def parcel(self, items: Sequence[WorkItem[Any]], sharing: Sharing) -> Parcel:
        """Pack items for this worker with the values that it lacks."""
        needed = dict.fromkeys(digest for item in items for digest in sharing.digests(item))
        fresh = {digest: sharing.pickled[digest] for digest in needed if digest not in self._sizes}
        for digest in needed:
            self._touch(digest, len(sharing.pickled[digest]))
        return self._drop(keep=needed), fresh, sharing.pack(items)

    def _touch(self, digest: bytes, size: int) -> None:
        self._total += size - self._sizes.pop(digest, 0)
        self._sizes[digest] = size

    def _drop(self, keep: Iterable[bytes]) -> list[bytes]:
        kept, dropped = set(keep), []
        for digest in list(self._sizes):
            if self._total <= self._limit and len(self._sizes) <= self._values:
                break
            if digest not in kept:
                self._total -= self._sizes.pop(digest)
                dropped.append(digest)
        return dropped


class Store:
    """The shared values that a worker holds: its own side."""

    def __init__(self) -> None:
        self._values: dict[bytes, object] = {}

    def unpack(self, parcel: Parcel) -> list[WorkItem[Any]]:
        """Take over what is new and give the items whole."""
        dropped, fresh, packed = parcel
        for digest in dropped:
            self._values.pop(digest, None)
        # Only ever from our own master, over MPI: trusted as much as the program itself.
        self._values |= {digest: pickle.loads(pickled) for digest, pickled in fresh.items()}
        items: list[WorkItem[Any]] = _Unpacker(io.BytesIO(packed), self._values).load()
        return items


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, digests: dict[int, bytes]) -> None:
        super().__init__(file, PROTOCOL)
        self._digests = digests

    def persistent_id(self, value: object) -> bytes | None:
        return self._digests.get(id(value))


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, values: dict[bytes, object]) -> None:
        super().__init__(file)
        self._values = values

    def persistent_load(self, digest: bytes) -> object:
        return self._values[digest]
