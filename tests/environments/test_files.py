"""What writes files and folders aside: over whom it does not write, what it leaves when it fails or is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from environments.files import (
    DiskError,
    PlaceError,
    check_file,
    check_folder,
    open_lock,
    open_log,
    write_aside,
    writing,
    writing_folder,
)
from environments.leftovers import SILENCE, beside
from environments.tasks.curriculum import listed_files

WRITER = """
import sys, time
from pathlib import Path
from environments.files import writing, writing_folder
target = Path(sys.argv[2])
with {"file": writing, "folder": lambda path: writing_folder(path, lambda folder: [])}[sys.argv[1]](target) as aside:
    print(aside, flush=True)
    time.sleep(60)
"""


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def make_export(folder, **contents):
    """A folder whose manifest lists these files."""
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(content, encoding="utf-8")
    document = {"format": "poet-curriculum", "files": {name: {} for name in contents}}
    (folder / "curriculum.json").write_text(json.dumps(document), encoding="utf-8")


def killed_writer(kind, target):
    """Where a writer that was killed within its block wrote to."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, kind, str(target)], stdout=subprocess.PIPE, text=True)
    with process:
        aside = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    assert Path(aside).exists()
    return Path(aside)


@pytest.mark.parametrize("target", ["there.txt", "nowhere.txt"])
def test_links_are_neither_followed_nor_replaced(tmp_path, target):
    (tmp_path / "there.txt").write_text("precious", encoding="utf-8")
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / target)
    before = tree(tmp_path)
    with pytest.raises(PlaceError, match="it is a symbolic link"):
        write_aside(link, b"page")
    for opened in (open_lock, open_log):
        with pytest.raises(OSError, match="symbolic links"):
            opened(link)
    assert link.is_symlink()
    assert tree(tmp_path) == before


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.mknod(path, 0o020666, os.makedev(1, 3))])
def test_what_is_no_ordinary_file_is_not_written_over(tmp_path, make):
    path = tmp_path / "thing"
    try:
        make(path)
    except PermissionError:
        pytest.skip("needs the right to make a device")
    kind = path.lstat().st_mode
    for refusing in (check_file, lambda path: write_aside(path, b"")):
        with pytest.raises(PlaceError, match=r"it is (a folder|not an ordinary file)"):
            refusing(path)
    assert path.lstat().st_mode == kind
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["archive.sqlite", "archive.sqlite-wal", "config.toml", "lock", "owner"])
def test_files_of_a_run_are_written_by_its_owner_alone(tmp_path, name):
    (tmp_path / "archive.sqlite").write_bytes(b"archive")
    with pytest.raises(PlaceError, match="it belongs to the run in"):
        write_aside(tmp_path / name, b"page")
    assert tree(tmp_path) == {"archive.sqlite": b"archive"}
    write_aside(tmp_path / name, b"settings", owner=True)
    write_aside(tmp_path / "report.html", b"page")
    assert (tmp_path / name).read_bytes() == b"settings"


def test_folder_that_is_a_run_a_link_a_file_or_no_name_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "archive.sqlite").write_bytes(b"archive")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    (tmp_path / "file").write_bytes(b"")
    for name, complaint in (("run", "holds a run"), ("link", "is a symbolic link"), ("file", "is a file")):
        with pytest.raises(PlaceError, match=complaint):
            check_folder(tmp_path / name, listed_files)
    for nameless in ("..", "a/.."):
        with pytest.raises(PlaceError, match="give the folder by its name"):
            check_folder(tmp_path / nameless, listed_files)


@pytest.mark.parametrize("stranger", ["mywork/thesis.tex", "notes.txt", "agents/mine.txt", "empty/"])
def test_what_an_export_does_not_list_is_named_and_kept(tmp_path, stranger):
    folder = tmp_path / "export"
    make_export(folder, **{"tasks.jsonl": "1", "agents/a.txt": "2"})
    path = folder / stranger
    (path if stranger.endswith("/") else path.parent).mkdir(exist_ok=True)
    if not stranger.endswith("/"):
        path.write_text("mine", encoding="utf-8")
    before = tree(tmp_path)
    with pytest.raises(PlaceError, match=repr(stranger.split("/")[0])[:-1]), writing_folder(folder, listed_files):
        pytest.fail("it was let in")
    assert tree(tmp_path) == before


def test_what_comes_into_an_export_while_it_is_replaced_is_kept(tmp_path):
    folder = tmp_path / "export"
    make_export(folder, tasks="1")
    with pytest.raises(PlaceError, match="'late'"), writing_folder(folder, listed_files):
        (folder / "late").write_text("mine", encoding="utf-8")
    assert (folder / "late").read_text(encoding="utf-8") == "mine"
    assert (folder / "tasks").read_text(encoding="utf-8") == "1"


def test_manifest_that_lists_what_lies_elsewhere_removes_nothing_there(tmp_path):
    precious = tmp_path / "home" / "a.txt"
    precious.parent.mkdir()
    precious.write_text("precious", encoding="utf-8")
    folder = tmp_path / "export"
    make_export(folder, tasks="1")
    document = {"format": "poet-curriculum", "files": {"tasks": {}, "../home/a.txt": {}, str(precious): {}}}
    (folder / "curriculum.json").write_text(json.dumps(document), encoding="utf-8")
    with writing_folder(folder, listed_files) as aside:
        (aside / "tasks").write_text("2", encoding="utf-8")
    assert precious.read_text(encoding="utf-8") == "precious"
    (folder / "home").symlink_to(precious.parent)
    document["files"] = {"tasks": {}, "home/a.txt": {}}
    (folder / "curriculum.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(PlaceError, match="'home'"), writing_folder(folder, listed_files):
        pytest.fail("it was let in")
    assert precious.exists()


@pytest.mark.parametrize("text", ["{}", "no json", '{"format": "poet-curriculum"}', "[]"])
def test_folder_whose_manifest_says_nothing_is_left_alone(tmp_path, text):
    (tmp_path / "curriculum.json").write_text(text, encoding="utf-8")
    with pytest.raises(PlaceError, match="does not tell which files"):
        check_folder(tmp_path, listed_files)


def test_next_writer_sweeps_what_a_killed_one_left_and_nothing_else(tmp_path):
    target, folder = tmp_path / "page.html", tmp_path / "export"
    target.write_bytes(b"old")
    left = [killed_writer("file", target), killed_writer("folder", folder)]
    others = [tmp_path / ".page.html.new", tmp_path / ".page.html.0a-1.new.html", beside(target), beside(folder)]
    elder = [tmp_path / f".page.html.{2**22}.new", tmp_path / f".export.{2**22}.new"]  # of earlier versions
    for path in (*others, *elder):
        path.write_bytes(b"")
    assert target.read_bytes() == b"old"
    for path in elder:
        os.utime(path, (time.time() - 2 * SILENCE,) * 2)
    write_aside(target, b"new")
    with writing_folder(folder, lambda folder: []) as aside:
        (aside / "tasks").write_bytes(b"1")
    assert not any(path.exists() for path in (*left, *elder))
    assert sorted(tmp_path.iterdir()) == sorted([target, folder, *others])


def test_old_folder_of_a_writer_killed_between_two_renames_comes_back(tmp_path):
    folder = tmp_path / "export"
    aside = killed_writer("folder", folder)
    make_export(tmp_path / "old", tasks="1")
    (tmp_path / "old").rename(aside.with_name(aside.name.replace(".new", ".old")))
    with pytest.raises(ZeroDivisionError), writing_folder(folder, listed_files):
        1 / 0  # noqa: B018
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    assert (folder / "tasks").read_text(encoding="utf-8") == "1"


def test_failed_block_leaves_the_old_content_and_nothing_beside(tmp_path):
    path, folder = tmp_path / "page.html", tmp_path / "export"
    path.write_bytes(b"old")
    make_export(folder, tasks="1")
    before = tree(tmp_path)
    for context in (writing(path), writing_folder(folder, listed_files)):
        with pytest.raises(ZeroDivisionError), context:
            1 / 0  # noqa: B018
    assert tree(tmp_path) == before


def test_full_disk_is_one_sentence_and_the_old_content_stays(small_disk):
    path, folder = small_disk / "page.html", small_disk / "export"
    path.write_bytes(b"old")
    make_export(folder, tasks="1")
    before = tree(small_disk)
    with pytest.raises(DiskError, match=r"page.html: the disk is full; what was there before is kept"):
        write_aside(path, bytes(10**6))
    with pytest.raises(DiskError, match="export: the disk is full"), writing_folder(folder, listed_files) as aside:
        (aside / "tasks").write_bytes(bytes(10**6))
    assert tree(small_disk) == before
