"""What the README and the manual tell people to type, typed.

Every fenced block of `bash` and `python` is run in a folder that holds a small run `runs/quick` and its `curriculum`;
the Python blocks of a page one after another, as a reader would. A command that several pages have is typed on the
first, and on a later one where more of that page needs it. A comment before a block says otherwise:

    <!-- block: fast -->                 run in the fast suite, and not in the slow one
    <!-- block: stopped -->              commands that go on for long: interrupted after a while, as by Ctrl-C
    <!-- block: status 2 -->             a command that is refused
    <!-- block: not run: REASON -->      not run
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from runs import variables

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^(?:<!-- block: (?P<marker>.+?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
LONG = 1.5  # s before what goes on for long is interrupted, from its first word on
PREPARED = {"runs/quick", "curriculum"}  # what every page's folder has from the beginning
SHELLS = re.compile(r"[^\w\s=.,/#:;'()\[\]\"-]")  # what a shell would do more with than part words and drop comments
SMALL = {
    "iterations": 5,
    "es.pairs": 2,
    "episode_limit": 60,
    "reproduction.every": 1,
    "reproduction.admitted": 2,
    "reproduction.parent_score": -200,
    "minimal_criterion.lower": -200,
    "transfer.every": 2,
}


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    marker: str

    @property
    def runs(self):
        return not self.marker.startswith("not run: ")

    def commands(self):
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


@cache
def blocks(page, language):
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    every = [Block(match["language"], match["text"], match["marker"] or "") for match in found]
    return [block for block in every if block.language == language and block.runs]


@dataclass(frozen=True)
class Line:
    """A command of a page, and the marker of its block."""

    text: str
    marker: str

    @property
    def words(self):
        return tuple(shlex.split(self.text, comments=True))

    def made(self):
        """The files and folders that it makes."""
        named = {word for option, word in pairwise(self.words) if option in {"-o", ">"} or word.startswith("runs/")}
        return named - PREPARED

    def covers(self, other):
        """Whether it is the same command, and not one that is stopped where the other is not."""
        return self.words == other.words and self.marker in {other.marker, "", "fast"}


def lines(page):
    return [Line(text, block.marker) for block in blocks(page, "bash") for text in block.commands()]


@cache
def typed_on(page):
    """The commands of a page that the slow suite types there: those that neither the fast one nor an earlier has."""
    elsewhere = [line for each in PAGES for line in lines(each) if line.marker == "fast"]
    elsewhere += [line for each in PAGES[: PAGES.index(page)] for line in lines(each)]
    kept = []
    for line in reversed(lines(page)):
        needed = {word for later in kept for word in later.words}
        if not any(other.covers(line) for other in elsewhere) or line.made() & needed:
            kept.append(line)
    return kept[::-1]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, warm):
    """A folder with what the pages' examples begin with."""
    folder = tmp_path_factory.mktemp("prepared")
    settings = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    for command in (
        ["evolve", "runs/quick", "--workers", 1, *settings],
        ["export", "runs/quick", "-o", "curriculum", "--fractions", "0.5,0,0.5"],
    ):
        done = warm.run(*command, folder=folder)
        assert done.returncode == 0, done.stderr
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


@pytest.fixture
def place(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "here")
    return tmp_path / "here"


def typed(command, folder, seconds=None):
    """Type a command into a shell; interrupt it so long after its first word. Gives its status and all that it said."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}" if seconds else command],
            cwd=folder,
            env={**variables(), "PATH": path, "OMP_NUM_THREADS": "1"},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if seconds is not None:
                _keep_to_one_core(process)
                _interrupt(process, said.fileno(), seconds)
            process.wait(timeout=240)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        said.seek(0)
        return process.returncode, said.read().decode()


def _keep_to_one_core(process):
    """Have what goes on for long start one worker, and leave the other cores to other tests."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(process.pid))
        os.sched_setaffinity(process.pid, {cores[os.getpid() % len(cores)]})


def _interrupt(process, said, seconds):
    """Interrupt a process, unless it has ended, so long after it said something: then it runs, and is not starting."""
    spoke = None
    while process.poll() is None:
        now = time.monotonic()
        if spoke is None and os.fstat(said).st_size > 0:
            spoke = now
        if spoke is not None and now > spoke + seconds:
            os.killpg(process.pid, signal.SIGINT)
            return
        time.sleep(0.05)


def run_line(line, folder, warm):
    if line.words[0] == "poet" and line.marker != "stopped" and not SHELLS.search(line.text):
        done = warm.run(*line.words[1:], folder=folder)
        status, said = done.returncode, done.stdout + done.stderr
    else:
        status, said = typed(line.text, folder, LONG if line.marker == "stopped" else None)
    # Of a process that the signal itself ends, as Python's may while it closes down, a shell says 130 too.
    allowed = {"stopped": (0, 130, -signal.SIGINT), "status 2": (2,)}.get(line.marker, (0,))
    assert status in allowed, f"{line.text!r} ended with {status}:\n{said}"
    assert "Traceback" not in said, f"{line.text!r} said:\n{said}"


def run_python(found, folder):
    script = folder / "blocks_of_the_page.py"
    script.write_text("\n".join(block.text for block in found), encoding="utf-8")
    status, said = typed(f"{sys.executable} {script.name}", folder)
    assert status == 0, said


def fast(page, language):
    return [block for block in blocks(page, language) if block.marker == "fast"]


def pages(having):
    return pytest.mark.parametrize("page", [page for page in PAGES if having(page)], ids=lambda page: page.name)


@pages(lambda page: fast(page, "bash"))
def test_quick_commands_of_a_page_do_what_it_says(page, place, warm):
    for line in lines(page):
        if line.marker == "fast":
            run_line(line, place, warm)


@pages(lambda page: fast(page, "python"))
def test_quick_programs_of_a_page_run(page, place):
    run_python(fast(page, "python"), place)


@pytest.mark.slow
@pages(typed_on)
def test_commands_of_a_page_do_what_it_says(page, place, warm):
    for line in typed_on(page):
        run_line(line, place, warm)


@pytest.mark.slow
@pages(lambda page: blocks(page, "python") != fast(page, "python"))
def test_programs_of_a_page_run(page, place):
    run_python(blocks(page, "python"), place)


@pytest.mark.slow
def test_the_program_that_is_typed_is_the_one_that_is_installed(prepared):
    status, said = typed("poet inspect runs/quick", prepared)
    assert status == 0, said


def test_every_block_says_what_it_is_and_why_it_is_not_run():
    kinds = re.compile(r"fast|stopped|status 2|not run: \w.+|")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            assert match["language"] in {"bash", "python", "text", "toml", "console"}, f"{page.name}: {match[0][:60]}"
            assert kinds.fullmatch(match["marker"] or ""), f"{page.name}: {match['marker']}"
        assert len(re.findall(r"<!-- block: ", text)) == sum(bool(m["marker"]) for m in FENCE.finditer(text)), page


def test_the_readme_is_a_front_page():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 200


def cells(kind):
    notebook = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


@pytest.mark.slow
def test_the_tutorial_runs_from_its_first_cell_to_its_last(tmp_path):
    script = tmp_path / "tutorial.py"
    told = "print(len(run.niches), [niche.id for niche in run.niches if niche.injected], run.iteration)"
    script.write_text("\n\n".join(["".join(cell["source"]) for cell in cells("code")] + [told]), encoding="utf-8")
    status, said = typed(f"MPLBACKEND=agg TMPDIR={tmp_path} {sys.executable} {script.name}", tmp_path)
    assert status == 0, said
    niches, injected, iteration = re.fullmatch(r"(\d+) \[(.*)\] (\d+)", said.splitlines()[-1]).groups()
    assert int(niches) >= 4, said
    assert injected, said
    assert int(iteration) == 24, said


def test_the_tutorial_holds_what_its_cells_gave_and_no_errors():
    outputs = [output for cell in cells("code") for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert {output["output_type"] for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    assert (ROOT / "docs" / "tutorial.ipynb").stat().st_size < 150_000
