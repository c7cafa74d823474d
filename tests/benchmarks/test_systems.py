"""The manual's tables of learners, written from what is installed."""

from dataclasses import asdict
from pathlib import Path

from benchmarks.known_answers import systems
from benchmarks.known_answers.answer import Answer
from meta_learners.registry import learner_names

ROOT = Path(__file__).parents[2]


def test_the_manual_has_the_tables_that_the_registry_gives():
    for path, text in systems.written().items():
        found = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert found == text, f"{path.relative_to(ROOT)} is of other learners; write it anew by `make reference`"


def test_every_learner_of_ours_has_a_row_with_a_rule_and_a_file_that_is_there():
    found = {system.name: system for system in systems.systems()}
    assert set(found) <= set(learner_names())
    assert {"maml", "rl2", "prototypical", "cnp", "lstm-optimiser", "plasticity"} <= set(found)
    for system in found.values():
        assert system.rule, system
        assert (ROOT / system.file).is_file(), system


def test_what_was_kept_says_of_every_aim_what_its_figure_says():
    assert systems.answers()
    for each in systems.answers():
        told = Answer(**{key: value for key, value in each.items() if key != "reached"})
        assert each["reached"] == told.reached, each


def test_a_row_tells_how_many_aims_are_missed(monkeypatch):
    def kept(name, target, better):
        answer = Answer(name, 2.0, target, better)
        return {**asdict(answer), "reached": answer.reached}

    rows = (
        kept("maml", 0.0, "beside"),
        kept("games: maml, score", 1.0, "higher"),
        kept("games: maml, time", 1.0, "lower"),
    )
    monkeypatch.setattr(systems, "answers", lambda: rows)
    assert systems._best("maml") == ("1 (rival)", "**2** (score); 1 of 2 aims missed")


def test_figures_are_those_of_whose_name_the_learners_name_is_a_word():
    of_maml = [each["name"] for each in systems.figures("maml")]
    assert any("maml, error after 1 step" in name for name in of_maml)
    assert not any("maml" in each["name"] for each in systems.figures("fomaml"))
