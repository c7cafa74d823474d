"""What a browser is given: the page, its own scripts, and the report's, which draw the same things in both."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from poet.page import SCRIPTS
from poet.report.data import ANGLE_UNIT, LENGTH_UNIT

KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
SHARED = (
    *(("poet.page", name) for name in SCRIPTS if name != "grid"),
    *(("poet.report", name) for name in ("relief", "drawing", "scene", "sticks")),
)  # the scripts of our pages that know no run, in order of need
OFFERED = (
    "byId, make, number, short, fixed, unpack, fitCanvas, ticks, drawn, redrawAll, colour, setTheme, shade, "
    "lineChart, openCourse, paintCourse, paintStrip, paintFinish, paintBackdrop, paintScene, openEpisode, "
    "sceneHeight, clipTo, mapOf, paintFigure, FONT"
)


@cache
def shell() -> str:
    """Give the page around which everything is built."""
    # What the report's scripts find in a report: here it is fetched, run by run.
    known = {"title": "studio", "niches": [], "courses": [], "units": {"length": LENGTH_UNIT, "angle": ANGLE_UNIT}}
    text = (files("poet.studio") / "static" / "index.html").read_text(encoding="utf-8")
    return text.replace("/* DATA */", json.dumps(known))


@cache
def shared() -> str:
    """Give the report's scripts as one module."""
    parts = [(files(package) / f"{name}.js").read_text(encoding="utf-8") for package, name in SHARED]
    return "\n".join([*parts, f"export {{ {OFFERED} }};\n"])


@cache
def static(name: str) -> tuple[str, str] | None:
    """Give a file's text and its kind; None where there is none of this name."""
    if name == "shared.js":
        return shared(), KINDS[".js"]
    if name == "report.css":
        return (files("poet.page") / "style.css").read_text(encoding="utf-8"), KINDS[".css"]
    folder = files("poet.studio") / "static"
    names = {entry.name for entry in folder.iterdir()}
    ending = f".{name.rpartition('.')[2]}"
    if name not in names or ending not in KINDS:
        return None
    return (folder / name).read_text(encoding="utf-8"), KINDS[ending]
