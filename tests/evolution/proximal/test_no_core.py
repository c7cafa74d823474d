"""Where PPO's core was not built: one sentence, and torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from environments.controller import Controller
from evolution import proximal


def test_without_the_core_there_is_a_sentence_and_torch(tmp_path):
    root = Path(proximal.__file__).parents[2]
    script = f"""
import sys
sys.modules["evolution.proximal._core"] = None
sys.path.insert(0, {str(root)!r})
from evolution import proximal
print(proximal.problem())
from meta_learners.networks.heads import head_of
from meta_learners.acting import Actions
from meta_learners.networks.policies import Policy, LaidOut
import torch
policy = Policy.make(3, head_of(Actions(2, False)))
print(LaidOut.of(policy, policy.initial(torch.Generator())))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    told, laid_out = done.stdout.splitlines()
    assert told.startswith("the learner's C++ core cannot be imported (")
    assert told.endswith("); reinstall with a C++20 compiler: pip install .")
    assert laid_out == "None"


def test_what_needs_the_core_says_so():
    with proximal.set_aside():
        for call in (proximal.kernel, lambda: proximal.forward(Controller((2, 1)), None, None)):
            with pytest.raises(RuntimeError, match="the learner's C\\+\\+ core is set aside"):
                call()
    assert proximal.problem() != "the learner's C++ core is set aside"
