import random
from itertools import pairwise

import pytest

from environments.tasks.curriculum import BOUNDARY
from poet.errors import InputError
from poet.export.splits import Fractions, split_by_lineage, split_by_rank


def family(size, seed, recent=20):
    """A random tree as POET grows them: parents are among the latest."""
    chance = random.Random(seed)
    tree = {"0": []}
    for number in range(1, size):
        tree[str(number)] = [str(chance.randrange(max(0, number - recent), number))]
    return tree


def assert_no_leak(tree, found):
    assert set(found) == set(tree)
    for child, parents in tree.items():
        for parent in parents:
            if BOUNDARY not in (found[child], found[parent]):
                assert found[child] == found[parent]


@pytest.mark.parametrize("size", [7, 40, 300, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_splits_by_lineage_leak_nothing_and_come_near_the_wanted_sizes(size, seed):
    tree = family(size, seed)
    found = split_by_lineage(tree, Fractions(), seed)
    assert_no_leak(tree, found)
    counts = [list(found.values()).count(name) for name in ("train", "validation", "test", BOUNDARY)]
    assert min(counts[:3]) > 0
    if size >= 300:
        assert counts[0] == pytest.approx(0.7 * size, rel=0.1)
        assert counts[2] == pytest.approx(0.15 * size, rel=0.25)
        assert counts[3] < 0.06 * size


@pytest.mark.parametrize("size", [40, 300])
@pytest.mark.parametrize("seed", range(5))
def test_tasks_admitted_again_under_another_parent_leak_to_neither(size, seed):
    tree, chance = family(size, seed), random.Random(seed)
    for _ in range(max(size // 20, 1)):
        child, parent = (str(chance.randrange(size)) for _ in range(2))
        if parent != child and parent not in tree[child]:
            tree[child].append(parent)  # also one that was born later
    assert_no_leak(tree, split_by_lineage(tree, Fractions(), seed))
    assert_no_leak(tree, split_by_rank(tree, list(tree), Fractions(), "birth"))


@pytest.mark.parametrize("by", ["difficulty", "birth"])
def test_splits_by_rank_leak_nothing_and_keep_the_order(by):
    tree = family(400, 1)
    ranked = list(tree) if by == "birth" else sorted(tree, key=lambda task: (int(task) * 7) % 90 + int(task) / 4)
    found = split_by_rank(tree, ranked, Fractions(), by)
    assert_no_leak(tree, found)
    names = ["train", "validation", "test"]
    places = [names.index(found[task]) for task in ranked if found[task] != BOUNDARY]
    assert places == sorted(places)
    assert set(places) == {0, 1, 2}


def test_boundary_between_ranks_is_the_smallest_possible():
    # A chain cut in three loses one task a cut; a star loses its middle alone.
    chain = {str(i): [str(i - 1)] if i else [] for i in range(30)}
    assert list(split_by_rank(chain, list(chain), Fractions(), "birth").values()).count(BOUNDARY) == 2
    star = {"0": [], **{str(i): ["0"] for i in range(1, 30)}}
    found = split_by_rank(star, list(star), Fractions(), "birth")
    assert [task for task, name in found.items() if name == BOUNDARY] == ["0"]


def test_chain_is_split_into_three_stretches_with_a_gap_between():
    chain = {str(i): [str(i - 1)] if i else [] for i in range(50)}
    found = split_by_lineage(chain, Fractions(), 0)
    assert_no_leak(chain, found)
    changes = [names for names in pairwise(found.values()) if names[0] != names[1]]
    assert all(BOUNDARY in names for names in changes)


def test_equal_trees_split_alike_and_the_seed_decides_ties():
    star = {"0": [], **{str(i): ["0"] for i in range(1, 60)}}
    first = split_by_lineage(star, Fractions(), 1)
    assert split_by_lineage(star, Fractions(), 1) == first
    assert split_by_lineage(star, Fractions(), 2) != first


def test_everything_can_be_for_training():
    tree = family(30, 0)
    assert set(split_by_lineage(tree, Fractions((1, 0, 0)), 0).values()) == {"train"}


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_too_few_tasks_for_the_splits_are_refused(size):
    chain = {str(i): [str(i - 1)] if i else [] for i in range(size)}
    message = f"{size} tasks cannot be split by lineage into train, validation, test without parent and child"
    with pytest.raises(InputError, match=message):
        split_by_lineage(chain, Fractions(), 0)
    with pytest.raises(InputError, match="cannot be split by birth"):
        split_by_rank(chain, list(chain), Fractions(), "birth")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.5,0.5,0.5", "--fractions 0.5,0.5,0.5 cannot be"),
        ("1.5,-0.5,0", "cannot be"),
        ("1", "is not three numbers"),
        ("a,b,c", "is not three numbers"),
        ("nan,0,1", "cannot be"),
    ],
)
def test_wrong_fractions_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        Fractions.parse(text)
