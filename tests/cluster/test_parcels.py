import pickle
import random
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from cluster.parcels import Ledger, Sharing, Store


@dataclass(frozen=True, eq=False)
class Item:
    theta: np.ndarray
    number: int

    shared: ClassVar = ("theta",)

    def __call__(self):
        return self.theta, self.number


def send(ledger, store, items):
    """Parcel and unpack as a master and a worker would; the bytes that travel and what arrives."""
    data = pickle.dumps(ledger.parcel(items, Sharing()), 5)
    return len(data), store.unpack(pickle.loads(data))


def test_shared_values_travel_once_whatever_items_they_return_in():
    ledger, store, theta = Ledger(), Store(), np.arange(10_000.0)
    first, _ = send(ledger, store, [Item(theta, n) for n in range(20)])
    assert 80_000 < first < 85_000
    again, items = send(ledger, store, [Item(theta.copy(), n) for n in range(20)])  # equal content, another object
    assert again < 3_000
    assert [item.number for item in items] == list(range(20))
    np.testing.assert_array_equal(items[7].theta, theta)
    changed, items = send(ledger, store, [Item(theta + 1, 0)])
    assert changed > 80_000
    np.testing.assert_array_equal(items[0].theta, theta + 1)


def test_items_without_shared_values_travel_whole():
    _, items = send(Ledger(), Store(), [divmod, (1, 2)])
    assert items == [divmod, (1, 2)]


@pytest.mark.parametrize("limits", [{"limit": 4_000}, {"values": 4}, {"limit": 1}])
def test_bounded_store_stays_in_step_with_its_ledger(limits):
    chance, ledger, store = random.Random(3), Ledger(**limits), Store()
    thetas = [np.full(100, n, dtype=np.float64) for n in range(20)]  # about 1,000 bytes each
    for _ in range(300):
        numbers = chance.sample(range(20), chance.randint(1, 6))
        _, items = send(ledger, store, [Item(thetas[n], n) for n in numbers])
        assert [(item.theta[0], item.number) for item in items] == [(n, n) for n in numbers]
        assert len(store._values) <= max(6, limits.get("values", 4))
