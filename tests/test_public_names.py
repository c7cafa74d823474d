"""Every public name says what it is: functions and classes that a package lists in `__all__` have a docstring."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("poet", "environments", "evolution", "transfer", "cluster", "meta_learners")


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def listed(module):
    """The names in a module's `__all__`; none where it has none."""
    for node in module.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return ast.literal_eval(node.value)
    return []


def home(name):
    """The file of a module of ours, by its dotted name."""
    place = ROOT.joinpath(*name.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def definition(path, name):
    """Follow a name from a module that offers it to where it is defined; None for values and others' names."""
    module = tree(path)
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                where = home(node.module)
                if (alias.asname or alias.name) == name and where is not None and where != path:
                    return definition(where, alias.name)
    return None


@cache
def public():
    return tuple(offered())


def offered():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for name in listed(tree(path)):
                yield path, name


def test_every_public_name_has_a_docstring():
    without = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in public()
        if (node := definition(path, name)) is not None and ast.get_docstring(node) is None
    ]
    assert without == []


@pytest.mark.parametrize("name", ["Run", "Environment", "InputError"])
def test_what_a_user_starts_from_is_public(name):
    assert name in {name for path, name in public() if path == ROOT / "poet" / "__init__.py"}


def test_every_public_method_of_what_poet_offers_has_a_docstring():
    start = ROOT / "poet" / "__init__.py"
    classes = [definition(start, name) for name in listed(tree(start))]
    without = [
        f"{node.name}.{each.name}"
        for node in classes
        if isinstance(node, ast.ClassDef)
        for each in node.body
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_") and ast.get_docstring(each) is None
    ]
    assert without == []
