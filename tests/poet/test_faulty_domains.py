"""Third parties' domains that break their contract end the command with one sentence."""

import numpy as np
import pytest

from cluster.executor import InProcess
from environments.domain import Environment
from environments.suites import Level
from evolution.evaluator import EvaluationError
from poet.evaluate.scoring import Contestant, Rules, play

COMPLAINT = "the domain toy was asked for"


@pytest.mark.parametrize("lost", [1, -1])
def test_a_domain_that_returns_too_few_or_too_many_rows_ends_a_run_in_one_sentence(tmp_path, toy_file, poet, lost):
    done = poet("evolve", tmp_path / "run", "--config", toy_file, "--workers", 1, TOY_LOSES=str(lost))
    assert done.returncode == 1
    (sentence,) = [line for line in done.stderr.splitlines() if COMPLAINT in line]
    assert sentence.endswith("lengths")
    assert "episodes and returned" in sentence
    assert "Traceback" not in done.stderr
    assert "NOT NULL" not in done.stderr
    assert poet("evolve", tmp_path / "run", "--workers", 1, "--iterations", 3).returncode == 0  # once it is mended


def test_evaluation_refuses_such_rows_too(monkeypatch):
    monkeypatch.setenv("TOY_LOSES", "2")
    level = Level("origin", Environment(domain="toy", encoding="target", genome={"target": [0.0, 0.0, 0.0]}, seed=0))
    rules = Rules(domain="toy", episodes=4, seed=3, episode_limit=10, solved_above=195.0, must_finish=True)
    with pytest.raises(EvaluationError, match=f"{COMPLAINT} 4 episodes and returned 2 lengths"):
        play([Contestant("one", np.zeros(3, dtype=np.float32))], [level], rules, InProcess())
