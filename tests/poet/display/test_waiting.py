"""Every wait of more than two seconds is shown, on a terminal and in a log."""

import io
import re
import time
from contextlib import nullcontext

import pytest
from rich.console import Console
from typer.testing import CliRunner

from poet import Run
from poet.cli import app
from poet.commands import evolve as evolving
from poet.display import waiting as module
from poet.display.waiting import waiting


def shown(terminal, seconds, *notes):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, color_system=None)
    with waiting("filming [x].gif", "steps", console) as note:
        for done in notes:
            note(done, 2000)
        time.sleep(seconds)
    return out.getvalue()


def test_a_log_gets_a_line_after_two_seconds_and_then_now_and_then(monkeypatch):
    monkeypatch.setattr(module, "FIRST", 0.2)
    monkeypatch.setattr(module, "EVERY", 0.3)
    lines = shown(False, 0.7, 3, 1200).splitlines()
    assert len(lines) >= 2
    assert all(re.fullmatch(r"filming \[x\]\.gif: 1,200 of 2,000 steps, \d+ s", line) for line in lines)


def test_a_short_wait_is_not_worth_a_line():
    assert shown(False, 0.05, 3) == ""


def test_a_terminal_gets_a_bar_that_is_counted():
    text = shown(True, 0.3, 1200)
    assert "filming [x].gif" in text
    assert "1,200 of 2,000 steps" in text
    assert re.search(r"0:00:00", text)


def test_what_goes_wrong_meanwhile_is_not_hidden():
    with pytest.raises(KeyError), waiting("waiting", console=Console(file=io.StringIO())):
        raise KeyError("gone")


@pytest.mark.parametrize("there", [False, True])
def test_a_run_that_is_new_is_not_said_to_be_compared(tmp_path, toy_file, monkeypatch, there):
    run, told = tmp_path / "run", []
    if there:
        Run.create(run, config=toy_file)

    def waiting(what):
        told.append(what)
        return nullcontext()

    monkeypatch.setattr(evolving, "waiting", waiting)
    line = ["evolve", str(run), "--config", str(toy_file), "--iterations", "1", "--workers", "1"]
    assert CliRunner().invoke(app, line).exit_code == 0
    assert told == [f"comparing {run} with its checksums" if there else f"opening {run}"]


def test_a_run_ends_with_its_headline_and_the_next_two_commands(tmp_path, toy_file, poet):
    run = tmp_path / "a run"
    done = poet("evolve", run, "--config", toy_file, "--workers", 1)
    words = done.stderr.strip().splitlines()[-3:]
    assert re.fullmatch(
        r"solved \d+ of \d+ environments; the hardest, niche \d+ \(target .*\): mean return -?\d+\.\d", words[0]
    )
    assert re.fullmatch(rf"next: poet render '{run}' \d+ -o film\.gif", words[1])
    assert words[2].strip() == f"poet report '{run}' -o report.html"
    solved = re.search(r"(\d+) solved", done.stdout)[1]
    assert f"solved {solved} of" in words[0]
    assert "next:" not in poet("evolve", run, "--json").stderr
