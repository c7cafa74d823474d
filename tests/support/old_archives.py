"""Archives of older versions.

`archives/` holds two of the toy, 13 iterations long, that the last commit with schema 3 wrote: by the original
algorithm and by the enhanced one. Versions 1 and 2 had fewer tables.
"""

import gzip
import sqlite3
from pathlib import Path

ARCHIVES = Path(__file__).with_name("archives")
TO_2 = """
DROP TABLE checksum;
DROP TABLE rescore;
PRAGMA user_version = 2;
"""
TO_1 = """
DROP TABLE checksum;
DROP TABLE performance;
DROP TABLE reuse;
DROP TABLE rescore;
ALTER TABLE niche DROP COLUMN archive_score;
PRAGMA user_version = 1;
"""


def unpack(folder, name, script=""):
    """Make a run's folder of an old archive, changed by a script."""
    folder.mkdir()
    path = folder / "archive.sqlite"
    path.write_bytes(gzip.decompress((ARCHIVES / f"{name}-3.sqlite.gz").read_bytes()))
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return folder
