"""Strings of archives, curricula and names of files can do nothing to a terminal, to markup or to a page."""

import json
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
import synthetic_archive

from benchmarks.fuzz.attack import CONTROL, run
from environments.tasks.curriculum import Curriculum, seal
from poet.display import output
from poet.foreign import printable, printable_values, shortened

EVIL = "\x1b]0;owned\x07\x1b[31m[/x][bold]:smile:\u202egnp\r\x9b2J<script>alert(1)</script>"
SHOWN = r"\x1b]0;owned\x07\x1b[31m[/x][bold]:smile:\u202egnp\r\x9b2J<script>alert(1)</script>"
TEXTS = (  # of the archive's columns, those that nothing else in it refers to
    ("session", "host"),
    ("session", "version"),
    ("session", "started"),
    ("timing", "committed"),
    ("child", "decision"),
    ("transfer", "kind"),
    ("cost", "purpose"),
)


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign") / f"run {EVIL.replace('/', '')}"
    synthetic_archive.write(folder, niches=6, iterations=60)
    with closing(sqlite3.connect(folder / "archive.sqlite")) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for table, column in TEXTS:
            latest = f"WHERE iteration = (SELECT max(iteration) FROM {table})"
            where = "" if table == "session" else latest
            connection.execute(f"UPDATE OR IGNORE {table} SET {column} = ? {where}", (EVIL,))
        connection.commit()
    return folder


@pytest.mark.parametrize("view", ["summary", "niches", "lineage", "transfers", "metrics", "timing", "niche"])
def test_no_view_of_an_archive_writes_what_a_terminal_or_a_console_would_obey(poisoned, view, monkeypatch):
    monkeypatch.setattr(output.out, "width", 200)
    line = ["inspect", str(poisoned), view, *(["1"] if view == "niche" else [])]
    shown, parsed = run(line), run([*line, "--json"])
    assert shown.status == parsed.status == 0, shown.err + parsed.err
    assert not CONTROL.search(shown.out + shown.err + parsed.out + parsed.err)
    json.loads(parsed.out)
    if view == "summary":
        assert SHOWN in "".join(shown.out.split())  # all of it, brackets too


def test_names_of_folders_in_messages_are_escaped(poisoned, tmp_path):
    done = run(["inspect", str(tmp_path / f"none{EVIL.replace('/', '')}")])
    assert done.status == 2
    assert r"none\x1b]0;owned\x07\x1b[31m[x][bold]:smile:\u202egnp\r\x9b2J" in done.err
    assert not CONTROL.search(done.err)


def test_a_page_holds_a_strangers_text_only_as_data(poisoned, tmp_path):
    done = run(["report", str(poisoned), "-o", str(tmp_path / "page.html"), "--films", "0"])
    assert done.status == 0, done.err
    page = (tmp_path / "page.html").read_bytes().decode()
    assert not CONTROL.search(page)
    assert len(re.findall("alert\\(1\\)", page)) >= 2  # the title and a decision
    # The one place that they may stand in is the JSON, which no "<" ends.
    (data,) = re.findall(r"<script[^>]*application/json[^>]*>(.*?)</script>", page, flags=re.DOTALL)
    assert page.count("alert(1)") == data.count("alert(1)")
    assert SHOWN in json.loads(data)["summary"]["children"]
    for script in re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script)


@pytest.fixture
def curriculum(poisoned, tmp_path):
    done = run(["export", str(poisoned), "-o", str(tmp_path / "curriculum"), "--fractions", "1,0,0"])
    assert done.status == 0, done.err
    return tmp_path / "curriculum"


def test_texts_of_a_curriculum_are_escaped_in_tables_and_begin_no_formula_in_pictures(curriculum, tmp_path):
    import hashlib  # noqa: PLC0415

    rows = [json.loads(line) for line in (curriculum / "tasks.jsonl").read_bytes().splitlines()]
    text = "".join(f"{json.dumps({**row, 'difficulty_level': EVIL + '$' + chr(92) + 'frac{$'})}\n" for row in rows)
    (curriculum / "tasks.jsonl").write_text(text, encoding="utf-8")
    document = json.loads((curriculum / "curriculum.json").read_bytes())
    document["files"]["tasks.jsonl"] = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text)}
    document["run"]["episode_limit"] = 10
    (curriculum / "curriculum.json").write_text(json.dumps(seal(document)), encoding="utf-8")
    agent = shutil.copyfile(next((curriculum / "agents").glob("*.safetensors")), tmp_path / "agent.safetensors")
    where = ["--curriculum", str(curriculum), "--split", "train", "--episodes", "1", "--workers", "1"]
    done = run(["evaluate", str(agent), *where, "--plot", str(tmp_path / "plot.png")])
    assert done.status == 0, done.err
    assert not CONTROL.search(done.out + done.err)
    agent = shutil.copyfile(agent, tmp_path / f"{EVIL.replace('/', '')}.safetensors")
    done = run(["evaluate", str(agent), *where])
    assert done.status == 0, done.err
    assert not CONTROL.search(done.out + done.err)
    assert r"\x1b]0;owned" in "".join(done.out.split())
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_files_that_a_curriculum_does_not_list_are_ignored_aloud(curriculum, caplog):
    Curriculum.load(curriculum)
    assert caplog.text == ""
    (curriculum / "multiprocessing.py").write_text("raise SystemExit('ran')\n", encoding="utf-8")
    (curriculum / "agents" / "more.safetensors").write_bytes(b"x")
    (curriculum / "mywork").mkdir()
    (curriculum / "mywork" / "notes.txt").write_bytes(b"x")
    tasks = Curriculum.load(curriculum).tasks
    assert len(tasks) >= 2
    assert "does not list 'multiprocessing.py', 'mywork', 'agents/more.safetensors'" in caplog.text.replace("\n", "")
    assert "notes.txt" not in caplog.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("höhe 地形 ≥ RL²", "höhe 地形 ≥ RL²"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[2J\x7f\x9b", r"\x1b[2J\x7f\x9b"),
        ("\u202e\u2066\u200b\u2028", r"\u202e\u2066\u200b\u2028"),
        ("\udcff\ud800", r"\udcff\ud800"),
    ],
)
def test_printable_escapes_what_does_more_than_be_seen_and_nothing_else(text, expected):
    assert printable(text) == expected
    assert printable_values({text: [text, 1, None, (text,)]}) == {expected: [expected, 1, None, [expected]]}


def test_long_words_lose_their_middle_and_say_how_much():
    sentence = shortened(f"seed is {'7' * 5000}; it must be small")
    assert sentence == f"seed is {'7' * 40}[...4,921 characters...]{'7' * 39}; it must be small"
    assert shortened("a sentence of " * 50) == "a sentence of " * 50
