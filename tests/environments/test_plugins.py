"""Parts of other packages are found by their entry points; what is wrong with one is told with its package."""

import sys

import pytest

from environments import plugins
from environments.domain import find_domain
from environments.plugins import DOMAIN, KINDS, LEARNER, NOVELTY, OPTIMISER, find, installed


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package of one entry point: package("mine", "poet.novelty", "far", "mine:far", code)."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, group, entry, value, code=""):
        info = tmp_path / f"{name}-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{group}]\n{entry} = {value}\n", encoding="utf-8")
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")

    plugins.find.cache_clear()
    yield install
    plugins.find.cache_clear()
    for name in ("mine", "yours"):
        sys.modules.pop(name, None)


def test_ours_are_found_by_entry_points_as_anybodys():
    assert {"es", "cmaes"} <= set(installed(OPTIMISER))
    assert {"encoding", "pata-ec"} <= set(installed(NOVELTY))
    assert {"rl2", "ppo", "maml", "promp"} <= set(installed(LEARNER))
    for kind in KINDS:
        for name in installed(kind):
            assert find(kind, name) is not None


def test_a_part_of_another_package_is_found_and_listed(package):
    package("mine", "poet.novelty", "far", "mine:far", "def far(*arguments): return []\n")
    assert "far" in installed(NOVELTY)
    assert find(NOVELTY, "far")() == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.group)
def test_a_part_that_is_not_installed_is_refused_with_those_that_are(kind):
    with pytest.raises(ValueError, match=rf"^{kind.one} is 'no-such'; installed {kind.several} are [a-z0-9, -]+$"):
        find(kind, "no-such")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import a_library_that_nobody_has\n", "No module named 'a_library_that_nobody_has'"),
        ("raise RuntimeError('no licence')\n", "RuntimeError: no licence"),
        ("", "AttributeError: module 'mine' has no attribute 'DOMAIN'"),
        ("def broken(:\n", "SyntaxError: "),
    ],
)
def test_a_part_that_cannot_be_loaded_is_told_with_its_package_and_the_cause(package, code, reason):
    package("mine", "poet.domains", "flyer", "mine:DOMAIN", code)
    with pytest.raises(ValueError, match=r"^domain 'flyer' of mine 2\.0 cannot be loaded: ") as told:
        find_domain("flyer")
    assert reason in str(told.value)


def test_a_name_that_two_packages_claim_is_refused_with_both(package):
    package("mine", "poet.domains", "flyer", "mine:DOMAIN")
    package("yours", "poet.domains", "flyer", "yours:DOMAIN")
    with pytest.raises(ValueError, match=r"domain 'flyer' is claimed by two packages, mine 2\.0 and yours 2\.0"):
        find(DOMAIN, "flyer")
