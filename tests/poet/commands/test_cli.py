"""The command line as a user meets it: a process with arguments, output and an exit status."""

import json
import os
import pty
import re
import select
import shlex
import subprocess
import time
from pathlib import Path

import pytest
import tomli_w
from runs import TOY_SETTINGS, command, dump, variables


@pytest.fixture(scope="module")
def run(tmp_path_factory, poet):
    """A finished run of the toy domain."""
    place = tmp_path_factory.mktemp("cli")
    (place / "toy.toml").write_text(tomli_w.dumps(TOY_SETTINGS))
    done = poet("evolve", place / "run", "--config", place / "toy.toml", "--workers", 1)
    assert done.returncode == 0, done.stderr
    return place / "run"


def snapshot(folder):
    """Every file below a folder, with its content."""
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--colour", "red"], "No such option.*--colour"),
        (["--preset", "slow"], "preset is 'slow'; presets are .*original.*quick"),
        (["--config", "missing.toml"], "cannot read missing.toml: No such file or directory"),
        (["--preset", "quick", "--config", "x.toml"], "--preset and --config exclude each other"),
        (["--set", "es.pairs"], "--set 'es.pairs' is not an assignment"),
        (["--set", "es.pears=3"], "settings: unknown setting es.pears; known are es.pairs"),
        (["--set", "es.pairs=0"], "settings: es.pairs is 0; it must be in"),
        (["--set", "es.sigma=nan"], "settings: es.sigma is nan; it must be finite"),
        (["--set", "engine=warp"], "settings: engine is 'warp'; it must be one of auto"),
        (
            ["--set", "encoding.options.start.pit_gap=[0,11]"],
            "pit_gap is .* it must be two numbers, 0 <= lo <= hi <= 10",
        ),
        (["--seed", "-1"], "seed is -1; it must be in"),
        (["--iterations", "0"], "iterations is 0; it must be in"),
        (["--workers", "0"], "--workers is 0; it must be in"),
    ],
)
def test_wrong_options_get_one_sentence_and_status_2_and_write_nothing(tmp_path, poet, options, message):
    refused = poet("evolve", tmp_path / "run", *options)
    assert refused.returncode == 2
    assert re.search(message, refused.stderr), refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("es = 3", "bad.toml: es is 3; it must be a table"),
        ("[es\npairs = 3", "bad.toml is not TOML"),
        ("colour = 1", "bad.toml: unknown setting colour"),
    ],
)
def test_wrong_files_of_settings_are_refused_by_name(tmp_path, poet, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    refused = poet("evolve", tmp_path / "run", "--config", path)
    assert refused.returncode == 2
    assert message in refused.stderr


def test_unwritable_folder_is_refused(tmp_path, poet):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    for place in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/run")):
        refused = poet("evolve", place)
        assert refused.returncode == 2
        assert str(place) in refused.stderr
        assert refused.stderr.count("\n") == 1, refused.stderr


def test_file_in_the_place_of_a_run_or_an_output_is_refused_for_what_it_is(run, tmp_path, poet):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    for line, sentence in (
        (("evolve", tmp_path / "file"), "file is a file; a run is a folder, an old one or one to be made"),
        (("inspect", tmp_path / "file"), "file is a file; name the folder of a run"),
        (("inspect", run / "archive.sqlite"), f"archive.sqlite is a file; name the folder of a run: {run}"),
        (
            ("report", run, "-o", tmp_path / "r.pdf"),
            "r.pdf ends in .pdf; a report is a page, which ends in .html or .htm",
        ),
        (("render", run, 0, "-o", "/proc/film.gif"), "cannot write /proc/film.gif: "),
    ):
        refused = poet(*line)
        assert refused.returncode == 2
        assert sentence in refused.stderr
        assert refused.stderr.count("\n") == 1, refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_folder_of_something_else_is_refused_and_left_alone(tmp_path, poet):
    (tmp_path / "thesis.tex").write_text("precious", encoding="utf-8")
    before = snapshot(tmp_path)
    refused = poet("evolve", tmp_path)
    assert refused.returncode == 2
    assert "holds no run but has 'thesis.tex' in it" in refused.stderr
    assert snapshot(tmp_path) == before


def test_other_settings_for_an_old_run_are_refused_and_nothing_changes(run, poet):
    before = dump(run)
    refused = poet("evolve", run, "--set", "es.pairs=99", "--config", run.parent / "toy.toml")
    assert refused.returncode == 2
    assert "holds a run with other settings (es.pairs was 12, is 99)" in refused.stderr
    assert poet("evolve", run, "--seed", 5).returncode == 2
    assert dump(run) == before


def test_same_command_on_a_finished_run_changes_nothing_and_says_so(run, poet):
    before = dump(run)
    done = poet("evolve", run, "--config", run.parent / "toy.toml")
    assert done.returncode == 0
    assert "has all of its 36 iterations; --iterations N goes on to N" in done.stderr
    assert dump(run) == before


def test_one_setting_of_an_old_run_may_be_repeated_but_not_changed(run, poet):
    assert poet("evolve", run, "--set", "es.pairs=12").returncode == 0
    assert "es.pairs was 12, is 13" in poet("evolve", run, "--set", "es.pairs=13").stderr


@pytest.mark.parametrize("name", ["a b", "br[/x]", "br[bold]", "ünï"])
def test_odd_names_of_folders_are_printed_as_they_are(tmp_path, toy_file, poet, name):
    done = poet("evolve", tmp_path / name, "--config", toy_file, "--iterations", 1, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert f"starting {tmp_path / name} at iteration 0 of 1" in done.stderr


def test_numbers_too_large_are_refused(run, poet, tmp_path):
    for line in (("inspect", run, "niche", 10**20), ("render", run, 0, "-o", tmp_path / "a.png", "--seed", 10**20)):
        refused = poet(*line)
        assert refused.returncode == 2
        assert "Traceback" not in refused.stderr


def test_ascii_terminals_and_closed_pipes_are_survived(run, poet):
    shown = poet("inspect", run, "niche", 0, PYTHONIOENCODING="ascii")
    assert shown.returncode == 0, shown.stderr
    line = " ".join(map(shlex.quote, command("inspect", run, "metrics", "--json")))
    piped = subprocess.run(
        ["bash", "-c", f"{line} | head -n 1; {line} >&-"], env=variables(), capture_output=True, text=True, check=False
    )
    assert piped.stdout.startswith("[")
    assert "Traceback" not in piped.stderr


@pytest.mark.parametrize("line", [("inspect",), ("inspect", "niches")])
def test_inspecting_what_is_no_run_is_refused(tmp_path, poet, line):
    refused = poet(line[0], tmp_path / "nowhere", *line[1:])
    assert refused.returncode == 2
    assert "holds no run: there is no archive.sqlite in it" in refused.stderr
    assert not (tmp_path / "nowhere").exists()


def test_unknown_niche_is_refused_with_those_there_are(run, poet):
    refused = poet("inspect", run, "niche", 999)
    assert refused.returncode == 2
    assert re.search(r"there is no niche 999; this run has niches 0 to \d+", refused.stderr)
    assert "takes the ID of a niche" in poet("inspect", run, "niche").stderr


def test_progress_goes_to_stderr_and_json_alone_to_stdout(tmp_path, toy_file, poet):
    done = poet("evolve", tmp_path / "run", "--config", toy_file, "--workers", 1, "--json")
    assert json.loads(done.stdout)["iterations"] == 36
    assert "admitted niche" in done.stderr
    assert "transfers accepted" in done.stderr
    assert re.search(r"iteration 36/36, [\d,]+ steps/s", done.stderr)


VIEWS = ["summary", "niches", "lineage", "transfers", "metrics", "niche"]


@pytest.mark.parametrize("view", [*VIEWS, "timing"])
def test_every_view_shows_tables_to_people_and_json_to_programs(run, poet, view):
    line = ("inspect", run, view, *([1] if view == "niche" else []))
    shown, parsed = poet(*line), poet(*line, "--json")
    assert shown.returncode == parsed.returncode == 0, shown.stderr + parsed.stderr
    assert len(shown.stdout.splitlines()) >= 4
    assert json.loads(parsed.stdout)


@pytest.mark.parametrize("view", VIEWS)
def test_equal_runs_answer_alike(tmp_path_factory, run, poet, view):
    twin = tmp_path_factory.getbasetemp() / "twin"
    if not twin.exists():
        assert poet("evolve", twin, "--config", run.parent / "toy.toml", "--workers", 2).returncode == 0
    line = (view, *([1] if view == "niche" else []), "--json")
    assert poet("inspect", run, *line).stdout == poet("inspect", twin, *line).stdout


def test_summary_counts_what_the_tables_hold(run, poet):
    summary, tables = json.loads(poet("inspect", run, "--json").stdout), dump(run)
    assert summary["niches"] == len(tables["niche"])
    assert summary["active"] + summary["retired"] == summary["niches"]
    assert sum(summary["children"].values()) == len(tables["child"])
    assert summary["transfers"]["attempts"] == len(tables["transfer"])
    assert summary["transfers"]["direct"] + summary["transfers"]["fine_tuned"] == summary["transfers"]["accepted"]
    assert summary["episodes"]["optimise"] % (2 * 12) == 0


def test_lineage_and_ancestors_agree(run, poet):
    parents = {row["id"]: row["parent"] for row in json.loads(poet("inspect", run, "lineage", "--json").stdout)}
    youngest = max(parents)
    chain, niche = [], parents[youngest]
    while niche is not None:
        chain.append(niche)
        niche = parents[niche]
    assert chain
    assert json.loads(poet("inspect", run, "niche", youngest, "--json").stdout)["ancestors"] == chain


def test_run_can_be_inspected_while_it_goes_on(tmp_path, toy_file, poet):
    lines = command("evolve", tmp_path / "run", "--config", toy_file, "--workers", 1)
    going = subprocess.Popen(lines, env=variables(TOY_SECONDS="0.02"), stderr=subprocess.DEVNULL)
    seen = set()
    while going.poll() is None and len(seen) < 3:
        shown = poet("inspect", tmp_path / "run", "--json")
        if shown.returncode == 0:
            seen.add(json.loads(shown.stdout)["iterations"])
        time.sleep(0.05)
    assert len(seen) == 3
    going.terminate()
    assert going.wait(timeout=10) == 0


def test_terminal_gets_a_live_display_with_bars_events_and_remaining_time(tmp_path, toy_file):
    master, slave = pty.openpty()
    lines = command("evolve", tmp_path / "run", "--config", toy_file, "--workers", 1)
    process = subprocess.Popen(lines, env=variables(TOY_SECONDS="0.01", TERM="xterm"), stdout=slave, stderr=slave)
    os.close(slave)
    written = b""
    while True:
        ready, _, _ = select.select([master], [], [], 30)
        try:
            chunk = os.read(master, 65536) if ready else b""
        except OSError:  # the other side has closed
            chunk = b""
        if not chunk:
            break
        written += chunk
    os.close(master)
    assert process.wait(timeout=10) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())
    for word in ("POET", "iteration", "36/36", "left", "steps/s", "episodes", "━", "admitted niche", "target"):
        assert word in text, word


def test_doctor_finds_the_walker_working(poet):
    findings = json.loads(poet("doctor", "--json").stdout)
    works = {finding["part"]: finding["works"] for finding in findings}
    assert works["walker"]
    assert set(works) >= {"Python", "native engine", "PPO core", "hexapod", "MPI", "PyTorch"}


@pytest.mark.parametrize("line", [["--help"], ["evolve", "--help"], ["inspect", "--help"], ["doctor", "--help"]])
def test_help_is_there(poet, line):
    shown = poet(*line)
    assert shown.returncode == 0
    assert "Usage: " in shown.stdout
