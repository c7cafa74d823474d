"""Films of the hardest grounds that a run solved, small enough to keep."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageSequence

from environments.files import write_aside
from poet.run import Run

Row = dict[str, Any]

EVERY, SHRINK, COLOURS = 6, 0.5, 32  # frames kept, size of pictures, colours


def film(run: Run, niche: int, path: Path) -> Row:
    """Film the median fresh episode of a niche's best agent as a small GIF; what `Run.render` says of it."""
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "film.gif"
        told = run.render(niche, large)
        write_aside(path, _smaller(large, Path(folder) / "small.gif"))
    return told


def _smaller(path: Path, small: Path) -> bytes:
    with Image.open(path) as whole:
        size = tuple(round(SHRINK * side) for side in whole.size)
        duration = EVERY * int(whole.info.get("duration", 40))
        frames = [
            frame.convert("RGB").resize(size)
            for number, frame in enumerate(ImageSequence.Iterator(whole))
            if number % EVERY == 0
        ]
    # One palette for all, without dithering: what does not move then costs nothing.
    palette = frames[len(frames) // 2].quantize(COLOURS)
    first, *rest = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    first.save(small, save_all=True, append_images=rest, duration=duration, loop=0, optimize=True)
    return small.read_bytes()
