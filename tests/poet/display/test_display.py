"""What is drawn while a run goes on, at the sizes that terminals have."""

import io
import os
import pty
import re
import select
import signal
import sys
import termios
import time

import numpy as np
import pytest
from rich.console import Console
from runs import command, variables

from environments.domain import Environment
from evolution.optimisers.es import ESSettings, Learner
from poet.display.frame import Phase, View, frame
from poet.population import Niche, Pair

WORDS = (
    "roughness 0.6, pit 0-0.8, stump 0.2-0.6",
    "flat",
    "roughness 1.3, pit 0.8-1.6, stump 0.8-0.8, stair 0.4-0.6 x3",
)


def pairs_of(count):
    learner = Learner.fresh(np.zeros(3), ESSettings()).state()
    for number in range(count):
        place = Environment(domain="walker2d", encoding="parametric", genome={}, seed=number)
        niche = Niche(number, place, number - 1 if number else None, 20 * number)
        yield Pair.admitted(niche, learner, 100.0 + number)


def drawn(pairs, events, width=80, height=24, words=WORDS[0]):
    """Draw a view and give its lines."""
    view = View(
        title="POET runs/quick",
        iteration=Phase("iteration", 25_100, 25_200),
        remaining="11 d 10 h left",
        phase=Phase("optimise", 10_200, 20_480),
        figures="20 active, 100 retired, 119 admitted, ANNECS 83, 9,250 transfers accepted, 332,000 steps/s",
        pairs=list(pairs_of(pairs)),
        descriptions=dict.fromkeys(range(pairs), words),
        full_score=300.0,
        events=events,
    )
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(frame(view, console, width, height), end="")
    return out.getvalue().splitlines()


def happened(count):
    return tuple(
        f"iteration {20 * n}: admitted niche {n} (roughness 0.6, pit 0-0.8, stump 0.2-0.6), child of {n - 1}; "
        f"the agent of niche {n - 1} scores 262.7 there"
        for n in range(1, count + 1)
    )


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (60, 20), (200, 60), (40, 16)])
@pytest.mark.parametrize("pairs", [1, 3, 7, 20, 40])
@pytest.mark.parametrize("events", [0, 2, 6])
def test_the_frame_is_whole_at_every_size_and_population(width, height, pairs, events):
    lines = drawn(pairs, happened(events), width, height)
    assert len(lines) < height
    assert all(len(line) == width for line in lines)
    assert lines[0].startswith("╭─ POET runs/quick")
    assert lines[-1].startswith("╰─")


@pytest.mark.parametrize("pairs", [1, 7, 20, 40])
def test_the_newest_niche_and_the_newest_event_are_shown_whole_at_80_by_24(pairs):
    lines = drawn(pairs, happened(6))
    text = re.sub(r"\s+", " ", " ".join(line.strip("│ ") for line in lines))
    assert happened(6)[-1] in text
    assert re.search(rf"\b{pairs - 1}\b.*{re.escape(WORDS[0])}.*\b{100 + pairs - 1}\.0", text)
    listed = sum(WORDS[0] in line and "admitted" not in line for line in lines)
    left_out = re.search(r"(\d+) older niches? not shown", text)
    assert listed + int(left_out[1] if left_out else 0) == pairs
    assert listed == pairs or listed >= 8


def test_a_description_is_whole_before_the_scores_bar_gets_any_room():
    for words in WORDS[:2]:
        for width in (80, 90, 100, 120, 200):
            lines = drawn(3, (), width, words=words)
            assert sum(words in line for line in lines) == 3, f"{words} at {width}"
    wide, narrow = drawn(3, (), 120), drawn(3, (), 80)
    assert any("━" in line and WORDS[0] in line for line in wide)
    assert not any("━" in line and WORDS[0] in line for line in narrow)
    assert all(heading in "".join(wide) for heading in ("parent", "born"))


def test_nothing_is_cut_from_the_figures_or_the_time_left():
    text = re.sub(r"[\s│]+", " ", " ".join(drawn(7, happened(3))))
    assert "25,100/25,200 11 d 10 h left" in text
    assert "10,200/20,480 episodes" in text
    assert "9,250 transfers accepted, 332,000 steps/s" in text


def heard(fd, until, seconds=60):
    """Read what a terminal is sent until something has been written, or its program ends."""
    written, deadline = b"", time.monotonic() + seconds
    while until not in written and time.monotonic() < deadline:
        ready, _, _ = select.select([fd], [], [], 1)
        try:
            chunk = os.read(fd, 65536) if ready else b"."
        except OSError:  # the other side has closed
            return written
        written += chunk.strip(b".") if chunk == b"." else chunk
    return written


def in_terminal(*line, **extra):
    """Start the program with a terminal of its own; gives its process and our end of the terminal."""
    process, fd = pty.fork()
    if process == 0:
        os.execve(sys.executable, command(*line), variables(TERM="xterm", COLUMNS="80", LINES="24", **extra))
    return process, fd


def test_control_c_is_not_written_into_the_frame_and_keys_are_echoed_again_afterwards(tmp_path, toy_file):
    process, fd = in_terminal("evolve", tmp_path / "run", "--config", toy_file, "--workers", 1, TOY_SECONDS="0.05")
    before = heard(fd, b"optimise")
    assert b"optimise" in before
    assert not termios.tcgetattr(fd)[3] & termios.ECHO
    os.write(fd, b"\x03")
    after = heard(fd, b"resume with")
    echoed = termios.tcgetattr(fd)[3] & termios.ECHO
    after += heard(fd, b"never", 20)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 130
    assert echoed
    assert b"interrupted: " in after
    assert b"^C" not in before + after
    os.close(fd)


def test_totals_are_right_at_once_after_a_resume(tmp_path, toy_file, poet):
    assert poet("evolve", tmp_path / "run", "--config", toy_file, "--iterations", 20, "--workers", 1).returncode == 0
    line = ("evolve", tmp_path / "run", "--iterations", 36, "--workers", 1)
    process, fd = in_terminal(*line, TOY_SECONDS="0.3")
    first = heard(fd, b"transfers accepted").decode()
    os.kill(process, signal.SIGTERM)
    heard(fd, b"never", 20)
    os.waitpid(process, 0)
    os.close(fd)
    shown = int(re.search(r"([\d,]+) transfers accepted", first)[1])
    accepted = poet("inspect", tmp_path / "run").stdout
    assert f"{shown} of " in re.search(r"transfers.*", accepted)[0]
    assert shown > 0
