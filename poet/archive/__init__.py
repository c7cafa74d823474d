"""The archive of a run: one SQLite file beside its configuration, which never loses anything."""

from poet.archive.reading import one_moment, read_config, read_population, reading
from poet.archive.store import Archive

__all__ = ["Archive", "one_moment", "read_config", "read_population", "reading"]
