"""Files and folders that are whole or not there: written beside, flushed to disk, renamed.

The one place that writes for good, and so the one that says what is never
written over: links, devices, a run, and in a folder what its maker did not
list. What fails leaves the old content and ends in one sentence.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from environments.leftovers import OLD, beside, left_beside, remove

ARCHIVE_NAME = "archive.sqlite"  # makes a folder a run's
RUN_NAMES = ("config.toml", "lock", "owner")  # a run's other files
BROKEN = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file grows larger than this process may write",
    errno.EIO: "the disk reports an error",
}  # what is no fault of the place that was named
LINK = "it is a symbolic link; name what it points to, or another file"


class PlaceError(ValueError):
    """Nothing can be written where it was asked for; another place can be named."""


class DiskError(RuntimeError):
    """The disk would not take what was written; what was there before is kept."""


@contextmanager
def explained(path: Path, consolation: str = "; what was there before is kept") -> Iterator[None]:
    """Turn a failure to write `path` into one sentence.

    Raises:
        PlaceError: nothing can be written there.
        DiskError: the disk is full or broken.
    """
    try:
        yield
    except OSError as error:
        cause = error.errno or 0
        if cause in BROKEN:
            raise DiskError(f"cannot write {path}: {BROKEN[cause]}{consolation}") from error
        raise PlaceError(f"cannot write {path}: {LINK if cause == errno.ELOOP else error.strerror or error}") from error


def write_aside(path: Path, content: bytes, *, owner: bool = False) -> None:
    """Replace a file whole; for arguments and errors see `writing`."""
    with writing(path, owner=owner) as aside:
        aside.write_bytes(content)


@contextmanager
def writing(path: Path, *, owner: bool = False) -> Iterator[Path]:
    """Give a file beside `path` to write to, which takes its place when the block has ended well.

    Args:
        path: of a file that is there or is not.
        owner: whether `path` may be one of a run's own files, since whoever writes it holds the run.

    Raises:
        PlaceError: it is a link, a device, a folder or a run's, or its folder cannot be written.
        DiskError: the disk is full or broken; the file is as before.
    """
    _check_place(path, owner)
    for leftover in left_beside(path):
        remove(leftover)
    aside = beside(path)
    with explained(path):
        try:
            _make(aside)
            yield aside
            sync(aside)
            aside.replace(path)
            sync(path.parent)
        finally:
            remove(aside)


def check_file(path: Path, *, owner: bool = False) -> None:
    """Raise the errors of `writing` that can be foreseen: to be asked before the work that makes the content."""
    _check_place(path, owner)
    aside = beside(path)
    with explained(path):
        try:
            _make(aside)
        finally:
            remove(aside)


def _check_place(path: Path, owner: bool) -> None:
    with explained(path):
        mode = _mode(path)
    if stat.S_ISLNK(mode):
        raise PlaceError(f"cannot write {path}: {LINK}")
    if stat.S_ISDIR(mode):
        raise PlaceError(f"cannot write {path}: it is a folder")
    if mode and not stat.S_ISREG(mode):
        raise PlaceError(f"cannot write {path}: it is not an ordinary file")
    if not path.parent.is_dir():
        raise PlaceError(f"cannot write {path}: there is no folder {path.parent}")
    if not owner and holds_run(path.parent) and (path.name.startswith(ARCHIVE_NAME) or path.name in RUN_NAMES):
        raise PlaceError(f"cannot write {path}: it belongs to the run in {path.parent}; name another file")


def _make(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def holds_run(folder: Path) -> bool:
    """Say whether a folder has an archive."""
    return os.path.lexists(folder / ARCHIVE_NAME)


@contextmanager
def writing_folder(folder: Path, listed: Callable[[Path], Iterable[str]]) -> Iterator[Path]:
    """Give a folder beside `folder` to fill, which takes its place when the block has ended well.

    Args:
        folder: that is there or is not.
        listed: the names, relative and with slashes, of the files that an earlier writer says it put there;
            raises PlaceError where it says nothing.

    Raises:
        PlaceError: it is a link, a file or a run's, it holds something that is not listed, or cannot be written.
        DiskError: the disk is full or broken; the folder is as before.
    """
    check_folder(folder, listed)
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep_beside(folder, listed)
        check_folder(folder, listed)
        aside = beside(folder)
        try:
            aside.mkdir()
            yield aside
            for path in (*aside.rglob("*"), aside):
                sync(path)
            _put_in_place(aside, folder, listed)
        finally:
            remove(aside)


def check_folder(folder: Path, listed: Callable[[Path], Iterable[str]]) -> None:
    """Raise PlaceError where `writing_folder` would: to be asked before the work that makes the content."""
    if folder.name in ("", ".."):
        raise PlaceError(f"cannot write {folder}: give the folder by its name")
    with explained(folder):
        mode = _mode(folder)
        if stat.S_ISLNK(mode):
            raise PlaceError(f"{folder} is a symbolic link; name the folder itself, or another")
        if mode and not stat.S_ISDIR(mode):
            raise PlaceError(f"{folder} is a file; name a folder")
        if holds_run(folder):
            raise PlaceError(f"{folder} holds a run; name another folder")
        if mode and any(folder.iterdir()) and (strangers := _strangers(folder, listed(folder))):
            raise PlaceError(
                f"{folder} holds {strangers[0]!r}, which the export there does not list; move it, or name another"
            )


def _put_in_place(aside: Path, folder: Path, listed: Callable[[Path], Iterable[str]]) -> None:
    if not folder.exists():
        aside.rename(folder)
        sync(folder.parent)
        return
    check_folder(folder, listed)  # who knows what has come in meanwhile
    old = beside(folder, OLD)
    folder.rename(old)
    try:
        aside.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    sync(folder.parent)  # the new name, before the old content goes
    _remove_listed(old, listed)


def _sweep_beside(folder: Path, listed: Callable[[Path], Iterable[str]]) -> None:
    """Finish what killed writers of a folder left: the old one comes back where no other took its place."""
    for leftover in left_beside(folder):
        remove(leftover)
    for leftover in left_beside(folder, OLD):
        if folder.exists():
            _remove_listed(leftover, listed)
        else:
            leftover.rename(folder)


def _remove_listed(folder: Path, listed: Callable[[Path], Iterable[str]]) -> None:
    """Remove of a folder what is listed, and the folder itself if nothing else is in it."""
    try:
        names = set(listed(folder)) if any(folder.iterdir()) else set()
    except PlaceError:
        return
    # The walk decides what there is and the list only which of it goes: it cannot lead out of the folder.
    for path in sorted(folder.rglob("*"), reverse=True):
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path.relative_to(folder).as_posix() in names:
                path.unlink()
    with suppress(OSError):
        folder.rmdir()


def _strangers(folder: Path, names: Iterable[str]) -> list[str]:
    known = set(names)
    folders = {parent.as_posix() for name in known for parent in Path(name).parents}
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        is_folder = path.is_dir() and not path.is_symlink()
        if name not in (folders if is_folder else known):
            found.append(name)
    return found


def open_lock(path: Path) -> IO[str]:
    """Open a lock file, made if there is none; it is neither emptied nor sought behind a link.

    Raises:
        OSError: it is a link or no ordinary file, or cannot be opened.
    """
    return os.fdopen(open_own(path, os.O_RDWR | os.O_CREAT), "r+", encoding="utf-8")


def open_log(path: Path) -> IO[str]:
    """Open a text file to add to, made if there is none; not behind a link.

    Raises:
        OSError: it is a link or no ordinary file, or cannot be opened.
    """
    return os.fdopen(open_own(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "a", encoding="utf-8")


def open_own(path: Path, flags: int) -> int:
    """Open a file of ours and give its descriptor.

    Raises:
        OSError: it is a link or no ordinary file, or cannot be opened.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not an ordinary file", str(path))
    return descriptor


def _mode(path: Path) -> int:
    """Tell what lies at a path itself, not behind it; 0 where there is nothing."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


def sync(path: Path) -> None:
    """Put a file's content, or a folder's names, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems sync no folders
            raise
    finally:
        os.close(descriptor)
