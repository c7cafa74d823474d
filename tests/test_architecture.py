"""The arrows of the design: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "environments": set(),
    "evolution": {"environments"},
    "transfer": {"evolution", "environments"},
    "cluster": set(),
    "meta_learners": {"environments", "evolution"},
    "poet": {"transfer", "evolution", "environments", "cluster", "meta_learners"},
}
ENGINES = ["Box2D", "pybullet", "mpi4py", "matplotlib"]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively, which hides the arrow"
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_package_imports_only_along_the_arrows(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        others = set(imported(path)) & (set(MAY_IMPORT) - {package})
        assert others <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {others - MAY_IMPORT[package]}"


@pytest.mark.parametrize("engine", ENGINES)
def test_at_most_one_file_imports_each_engine(engine):
    users = [path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py") if engine in imported(path)]
    assert len(users) <= 1, users
