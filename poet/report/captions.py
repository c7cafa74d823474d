"""What a film says under each of its pictures: time, distance and return at that moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Frame = NDArray[np.uint8]  # (height, width, 3)

HEIGHT = 32  # pixels, even as films need it
SIZE, MARGIN = 17, 12  # of letters, and before the first
PAPER, INK, QUIET, BAR = (250, 250, 248), (34, 38, 43), (112, 118, 126), (47, 111, 179)
BAR_HEIGHT = 3  # pixels, along the picture: the share of the course
COLUMNS = {"time": 0.0, "distance": 0.27, "return": 0.72}  # where each begins, as a share of the width


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One step of an episode."""

    step: int
    score: float  # rewards until then
    place: tuple[float, float] | None  # m from the start, and to the finish from there; None where not known


def captioned(picture: Frame, moment: Moment, fps: int) -> Frame:
    """Put a line of text under a picture: (height + HEIGHT, width, 3)."""
    width = picture.shape[1]
    image = Image.new("RGB", (width, HEIGHT), PAPER)
    pen = ImageDraw.Draw(image)
    for name, value in _words(moment, fps).items():
        x, middle = MARGIN + COLUMNS[name] * (width - MARGIN), (HEIGHT + BAR_HEIGHT) / 2
        pen.text((x, middle), name, fill=QUIET, font=_font(), anchor="lm")
        pen.text((x + _font().getlength(f"{name} "), middle), value, fill=INK, font=_font(), anchor="lm")
    if moment.place is not None:
        distance, course = moment.place
        pen.rectangle((0, 0, width * min(max(distance / course, 0.0), 1.0), BAR_HEIGHT - 1), fill=BAR)
    return np.concatenate([picture, np.asarray(image, dtype=np.uint8)])


def _words(moment: Moment, fps: int) -> dict[str, str]:
    words = {"time": f"{moment.step / fps:.1f} s"}
    if moment.place is not None:
        distance, course = moment.place
        words["distance"] = f"{distance:z.1f} of {course:.1f} m"
    return {**words, "return": f"{moment.score:z.1f}"}


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(SIZE)  # Pillow's own: the same on every machine
