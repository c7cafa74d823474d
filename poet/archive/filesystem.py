"""On what kind of file system a run lies, how its archive must be written there, and how to be sure it is.

SQLite's write-ahead log needs memory shared by all who open the file, which a
network file system cannot give (sqlite.org/wal.html, section 1). There the
archive is written with a rollback journal instead.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/mounts")
NETWORK = frozenset(
    {"9p", "afs", "autofs", "beegfs", "ceph", "cifs", "dvs", "gfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs"}
    | {"nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs"}
)
LOCAL_FUSE = frozenset({"fuse.ntfs", "fuse.ntfs-3g", "fuse.exfat", "fuse.fuse-overlayfs"})


@dataclass(frozen=True, slots=True)
class Place:
    """The file system that a folder lies on."""

    kind: str  # as in the table of mounts; empty where there is none
    mount: str

    @property
    def shared(self) -> bool:
        """Whether other hosts may see it too; what FUSE hides is taken to be so."""
        return self.kind in NETWORK or (self.kind.split(".")[0] == "fuse" and self.kind not in LOCAL_FUSE)

    @property
    def journal(self) -> str:
        """The journal mode of SQLite that is safe here with one writer."""
        return "TRUNCATE" if self.shared else "WAL"


def place_of(folder: Path) -> Place:
    """Find what a folder, or the nearest one above that exists, lies on."""
    return find_place(os.path.realpath(folder), read_mounts())


def read_mounts() -> str:
    """Read the table of mounts; empty on systems without one."""
    try:
        return os.fsdecode(MOUNTS.read_bytes())  # as paths are: they need not be UTF-8
    except OSError:
        return ""


def find_place(path: str, mounts: str) -> Place:
    """Pick the mount that an absolute path without symbolic links lies on, from the text of /proc/mounts."""
    best = Place("", "")
    for line in mounts.split("\n"):
        fields = line.split(" ")  # names may hold every other blank there is
        if len(fields) < 3:
            continue
        mount = _unescape(fields[1])
        # Of several on one point the last covers the others.
        if len(mount) >= len(best.mount) and (path == mount or path.startswith(mount.rstrip("/") + "/")):
            best = Place(fields[2], mount)
    return best


def _unescape(field: str) -> str:
    """Undo the octal escapes of blanks and backslashes."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field
