"""Controls of a run: how long a solver's line is, what rank tests say, and searches that go on where they stopped."""

import json
import sqlite3

import pytest
from kept_runs import solving_run

from benchmarks.controls import __main__ as command
from benchmarks.controls.plan import line_of
from benchmarks.controls.table import rank_sum, signed_rank, summarise_trials, verdict


def test_a_line_is_a_step_an_iteration_and_one_for_each_fine_tuned_move():
    archive = sqlite3.connect(":memory:")
    archive.execute("CREATE TABLE transfer (iteration, target, source, kind)")
    archive.execute("CREATE TABLE child (iteration, niche, source, kind)")
    archive.executemany(
        "INSERT INTO transfer VALUES (?, ?, ?, ?)",
        [
            (5, 1, None, None),
            (6, 1, 0, "fine-tuned"),  # overwritten by the next
            (8, 1, 2, "direct"),
            (7, 2, 0, "fine-tuned"),
            (12, 1, 0, "fine-tuned"),  # after the solution
        ],
    )
    archive.executemany("INSERT INTO child VALUES (?, ?, ?, ?)", [(2, 1, 0, "fine-tuned"), (4, 2, 1, "direct")])
    assert line_of(archive, 0, 9) == 10
    assert line_of(archive, 1, 12) == 13 + 1  # from 2 directly, into which the line had moved fine-tuned
    assert line_of(archive, 2, 6) == 7 + 1  # a child by 1's agent, itself fine-tuned as a child of 0


def test_five_seeds_below_the_solver_give_the_least_p_that_five_can():
    assert signed_rank([-1.0, -2.0, -3.0, -4.0, -5.0]) == pytest.approx(1 / 32)
    assert signed_rank([1.0, 2.0, 3.0, 4.0, 5.0]) == 1
    assert signed_rank([]) is None
    assert signed_rank([0.0, 0.0]) is None


def test_harder_grounds_on_one_side_have_the_p_of_that_order():
    assert rank_sum([3.0, 4.0, 5.0], [0.0, 1.0, 2.0]) == pytest.approx(1 / 20)  # one of 6 choose 3
    assert rank_sum([], [1.0]) is None


def test_a_verdict_waits_for_all_seeds_before_it_says_that_a_detour_was_needed():
    assert verdict(0, 5, 5) == "detour needed: none solved it"
    assert verdict(0, 4, 5) == "open: 4 of 5 seeds done"
    assert verdict(2, 5, 5) == "2 of 5 did without"
    assert verdict(5, 5, 5) == "no detour needed"
    assert summarise_trials([], 250.0, 5) == {
        "seeds": 0,
        "wanted": 5,
        "solved": 0,
        "verdict": "open: 0 of 5 seeds done",
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return solving_run(tmp_path_factory.mktemp("controls") / "short")


def control(monkeypatch, run, output, *more):
    line = ["controls", run, "-o", output, "--grounds", 1, "--seeds", 1, "--runs", 1, "--first-steps", 1, *more]
    monkeypatch.setattr("sys.argv", [str(each) for each in line])
    command.main()
    return json.loads((output / "results.json").read_text("utf-8"))


@pytest.mark.slow
def test_controls_that_are_stopped_again_and_again_find_what_unbroken_ones_find(run, tmp_path, monkeypatch):
    whole = control(monkeypatch, run, tmp_path / "whole")
    (target,) = whole["plan"]["targets"]
    rows = {(row["form"], row["multiple"]): row for row in whole["rows"]}
    assert set(rows) == {("walker", 1), ("walker", 2), ("scratch", 1), ("scratch", 2), ("path", 1)}
    assert rows["walker", 1]["solved"] == 1  # it walks there from the first step on, as the run's agent did
    assert rows["scratch", 2]["verdict"] == "detour needed: none solved it"
    (without,) = whole["without_transfer"]
    assert without["steps"] >= whole["plan"]["steps"]
    page = (tmp_path / "whole" / "README.md").read_text("utf-8")
    assert target["description"] in page
    for _ in range(30):
        broken = control(monkeypatch, run, tmp_path / "broken", "--seconds", 0)
        if broken == whole:
            break
    assert broken == whole
