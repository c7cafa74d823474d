"""The bodies that a contract is tried on; the hexapod where PyBullet is installed."""

from importlib.util import find_spec

import pytest

needs_pybullet = pytest.mark.skipif(find_spec("pybullet") is None, reason="needs PyBullet")
DOMAINS = ("walker2d", pytest.param("hexapod3d", marks=needs_pybullet))
IDS = {"walker2d": "poet/Walker2D-v0", "hexapod3d": "poet/Hexapod3D-v0"}
