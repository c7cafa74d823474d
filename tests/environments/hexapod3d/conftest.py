"""The hexapod's tests need PyBullet, which is an extra."""

from importlib.util import find_spec

if find_spec("pybullet") is None:
    collect_ignore_glob = ["test_*.py"]
