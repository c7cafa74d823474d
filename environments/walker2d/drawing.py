"""Pictures of the walker from plain numbers: terrain with obstacles, lidar, flags.

Needs no screen; only `Screen` opens a window. Drawn at twice the size and
scaled down, so that every edge is smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pygame
from numpy.typing import NDArray

from environments.walker2d.terrain import FINISH, SCALE, START_HEIGHT, STEP, Terrain

FPS = 50
WIDTH, HEIGHT = 600, 250  # pixels
BEYOND = 20.0  # m of ground drawn past either end of the course
EARTH_SHOWN = 2.3  # m below the start pad: a pit and its floor
HULL_AT = (3.7, 5.6)  # m above the lower edge, at least and at most
OVERSAMPLING = 2

SKY_TOP, SKY_BOTTOM = (190, 214, 247), (236, 242, 255)
CLOUD = (255, 255, 255)
GRASS, EARTH = (86, 164, 76), (136, 106, 80)
STONE, STONE_EDGE = (182, 186, 194), (106, 112, 124)
FAR_LEG, HULL, NEAR_LEG = (112, 66, 124), (127, 51, 229), (178, 101, 152)
OUTLINE = (56, 36, 84)
LIDAR, POLE = (230, 60, 60), (60, 60, 60)
START_FLAG, FINISH_FLAG = (230, 51, 0), (34, 139, 84)

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """One moment of an episode, in metres."""

    terrain: Terrain
    bodies: Sequence[NDArray[np.float64]]  # corners of far thigh, far shin, hull, near thigh, near shin
    position: Point  # of the hull
    rays: Sequence[Point] = field(default_factory=list)  # where each lidar ray ends
    step: int = 0


class _Canvas:
    """A surface in metres, with the camera on the walker."""

    def __init__(self, position: Point, width: int, height: int) -> None:
        self.unit = SCALE * OVERSAMPLING
        self.size = (width * OVERSAMPLING, height * OVERSAMPLING)
        self.surface = pygame.Surface(self.size)
        view_width = width / SCALE
        self.left = position[0] - view_width / 5
        self.right = self.left + view_width
        # The camera rises and sinks only when the hull leaves the picture's middle.
        lowest, highest = HULL_AT
        self.bottom = min(max(START_HEIGHT - EARTH_SHOWN, position[1] - highest), position[1] - lowest)

    def place(self, point: Sequence[float]) -> Point:
        return (point[0] - self.left) * self.unit, self.size[1] - (point[1] - self.bottom) * self.unit

    def polygon(self, points: Sequence[Sequence[float]], colour: tuple[int, int, int], width: int = 0) -> None:
        pygame.draw.polygon(self.surface, colour, [self.place(p) for p in points], width * OVERSAMPLING)

    def line(self, start: Sequence[float], end: Sequence[float], colour: tuple[int, int, int], width: int) -> None:
        pygame.draw.line(self.surface, colour, self.place(start), self.place(end), width * OVERSAMPLING)

    def sees(self, left: float, right: float) -> bool:
        return right >= self.left and left <= self.right

    def pixels(self) -> NDArray[np.uint8]:
        width, height = (side // OVERSAMPLING for side in self.size)
        small = pygame.transform.smoothscale(self.surface, (width, height))
        return np.ascontiguousarray(pygame.surfarray.array3d(small).transpose(1, 0, 2))


def draw(scene: Scene, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Draw one moment as (height, width, 3) RGB."""
    canvas = _Canvas(scene.position, width, height)
    _sky(canvas)
    _ground(canvas, scene.terrain)
    _flag(canvas, 3 * STEP, START_HEIGHT, START_FLAG)
    _flag(canvas, FINISH, _height_at(scene.terrain, FINISH), FINISH_FLAG)
    if scene.rays:
        ray = scene.rays[scene.step % len(scene.rays)]
        canvas.line(scene.position, ray, LIDAR, 1)
    for corners, colour in zip(scene.bodies, (FAR_LEG, FAR_LEG, HULL, NEAR_LEG, NEAR_LEG), strict=True):
        canvas.polygon(corners.tolist(), colour)
        canvas.polygon(corners.tolist(), OUTLINE, width=1)
    return canvas.pixels()


def _sky(canvas: _Canvas) -> None:
    width, height = canvas.size
    for row in range(height):
        share = row / height
        colour = [round(top + (bottom - top) * share) for top, bottom in zip(SKY_TOP, SKY_BOTTOM, strict=True)]
        pygame.draw.line(canvas.surface, colour, (0, row), (width, row))
    for number in range(10):
        # Clouds stand at fixed places and drift at half the walker's speed.
        x = (number * 9.7 + 3 * math.sin(number * 2.3) - canvas.left / 2) * canvas.unit
        y = height * (0.12 + 0.1 * math.sin(number * 1.7) ** 2)
        for puff in range(4):
            radius = (0.55 + 0.25 * math.sin(number + 2 * puff)) * canvas.unit
            pygame.draw.circle(canvas.surface, CLOUD, (x + puff * 0.7 * canvas.unit, y), radius)


def _ground(canvas: _Canvas, terrain: Terrain) -> None:
    floor = canvas.bottom - 1
    (first, start), *_, (last, end) = points = terrain.ground.tolist()
    edges = pairwise([[first - BEYOND, start], *points, [last + BEYOND, end]])
    visible = [(a, b) for a, b in edges if canvas.sees(a[0], b[0])]
    for a, b in visible:
        canvas.polygon([a, b, (b[0], floor), (a[0], floor)], EARTH)
    for a, b in visible:
        canvas.line(a, b, GRASS, 4)
    for corners in terrain.boxes.tolist():
        xs = [x for x, _ in corners]
        if canvas.sees(min(xs), max(xs)):
            canvas.polygon(corners, STONE)
            canvas.polygon(corners, STONE_EDGE, width=1)


def _flag(canvas: _Canvas, x: float, y: float, colour: tuple[int, int, int]) -> None:
    top = y + 50 / SCALE
    canvas.line((x, y), (x, top), POLE, 1)
    canvas.polygon([(x, top), (x, top - 10 / SCALE), (x + 25 / SCALE, top - 5 / SCALE)], colour)


def _height_at(terrain: Terrain, x: float) -> float:
    return float(np.interp(x, terrain.ground[:, 0], terrain.ground[:, 1]))


class Screen:
    """A window that shows frames at the simulation's own pace."""

    def __init__(self) -> None:
        pygame.display.init()
        self._window = pygame.display.set_mode((WIDTH, HEIGHT))
        pygame.display.set_caption("POET walker")
        self._clock = pygame.time.Clock()

    def show(self, pixels: NDArray[np.uint8]) -> None:
        """Show one frame and wait until it is due."""
        pygame.event.pump()
        self._window.blit(pygame.surfarray.make_surface(pixels.transpose(1, 0, 2)), (0, 0))
        pygame.display.flip()
        self._clock.tick(FPS)

    def close(self) -> None:
        """Close the window."""
        pygame.display.quit()
