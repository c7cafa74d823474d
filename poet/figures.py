"""The one way to matplotlib: figures in its own plain style, whatever style files lie about.

A curriculum's identity covers its pictures, so they must not follow a user's
`matplotlibrc`; and one in the working folder is read by the import alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

with contextlib.chdir(Path(__file__).parent):  # matplotlib looks for its settings in the working folder first
    import matplotlib
    from matplotlib import colormaps
    from matplotlib.axes import Axes
    from matplotlib.colors import LightSource
    from matplotlib.figure import Figure

__all__ = ["Axes", "Figure", "LightSource", "colormaps", "plain_style"]


@contextlib.contextmanager
def plain_style() -> Iterator[None]:
    """Draw and save figures with the defaults that matplotlib comes with."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield
