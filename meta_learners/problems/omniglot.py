"""Omniglot: handwritten characters of many alphabets (Lake, Salakhutdinov and Tenenbaum 2015, Science 350).

The authors' two *minimal* sets of 242 characters by 20 drawers each, and the 20 published one-shot runs. Users
download the three files from the authors' public repository, brendenlake/omniglot (MIT licence), and name the folder
that they lie in; each file's sha256 is checked. Training is on the first set, turned by quarters for more classes;
the alphabets of the second that the first lacks are validation and test; `runs` are the published test, of alphabets
that neither set has.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from environments.settings import Bounds
from meta_learners.episodes import Examples, FamilyKind, Source, TaskBatch, check_split
from meta_learners.errors import MetaLearningError
from meta_learners.keys import Key, Stream, numpy_generator, torch_generator
from meta_learners.predictions import Logits
from meta_learners.problems.classes import EpisodeSettings, batch_of, choose_classes, choose_examples
from meta_learners.problems.hausdorff import modified_hausdorff
from meta_learners.problems.warping import maps_of, warped

__all__ = ["KIND", "Omniglot", "OmniglotSettings", "one_shot_runs"]

VARIABLE = "POET_OMNIGLOT"
FIRST, SECOND, RUNS = "images_background_small1.zip", "images_background_small2.zip", "all_runs.zip"
FILES = {
    FIRST: "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
    SECOND: "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
    RUNS: "437c1eeab0af8484112e1b4cc0f3d541ec727f7c47b9b202da738af9dfd6c325",
}
ALPHABETS = {"validation": ("Tagalog",), "test": ("Japanese_(katakana)", "Sanskrit")}
DRAWINGS = 20  # of a character; characters of a run
RUN_COUNT = 20

Images = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class OmniglotSettings(EpisodeSettings):
    """The size of a task, and of its drawings."""

    size: Annotated[int, Bounds(8, 105)] = 28  # pixels of a side
    turned: bool = True  # in training, a character turned by a quarter is another class
    mirrored: bool = False  # in training, a character in a mirror is another class
    within: Annotated[float, Bounds(0, 1)] = 0.0  # chance that a training task is of one alphabet, as far as it goes
    warped: Annotated[float, Bounds(0, 1)] = 0.0  # in training, how far drawings are turned, sheared, scaled and moved


class Omniglot:
    """The family.

    Args:
        settings: the size of a task.
        folder: that holds the three files.

    Raises:
        MetaLearningError: a file is missing, or is not the published one.
    """

    name = "omniglot"
    splits = ("train", "validation", "test", "runs")
    target_size = 1

    def __init__(self, settings: OmniglotSettings, folder: Path) -> None:
        self.settings = settings
        self._folder = folder
        _check_files(folder)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (1, self.settings.size, self.settings.size)

    @property
    def ways(self) -> int:
        return self.settings.ways

    @property
    def train_classes(self) -> int:
        return len(self._classes("train"))

    def draw(self, count: int, split: str, key: Key) -> TaskBatch:
        """Draw tasks; of `runs` the published ones by turns, whatever the key."""
        check_split(self.name, self.splits, split)
        if split == "runs":
            runs = one_shot_runs(self._folder, self.settings.size)
            return _some(runs, [number % len(runs.query.inputs) for number in range(count)])
        rng = numpy_generator((*key, Stream.TASKS))
        images = self._classes(split)  # (classes, 20, size, size)
        settings = self.settings
        taught = split == "train"
        first = self._of_one_alphabet(count, rng) if taught and settings.within else None
        classes = choose_classes(len(images), count, settings.ways, rng, f"split {split} of omniglot", first)
        examples = choose_examples(DRAWINGS, classes.shape, settings.shots + settings.queries, rng)
        drawn = torch.from_numpy(images[classes[..., None], examples])
        if taught and settings.warped:
            maps = maps_of(drawn[..., 0, 0].numel(), settings.warped, torch_generator((*key, Stream.CHOICES)))
            drawn = warped(drawn.flatten(0, 2), maps).reshape(drawn.shape)
        return batch_of(drawn[:, :, :, None], settings, classes)

    def published(self, split: str) -> int | None:
        """Say how many published tasks a split has."""
        return RUN_COUNT if split == "runs" else None

    def rivals(self, batch: TaskBatch) -> dict[str, Logits]:
        """Predict by the modified Hausdorff distance between the inked pixels, the authors' own anchor."""
        return {"modified Hausdorff distance": modified_hausdorff(batch)}

    def _classes(self, split: str) -> Images:
        if split == "train":
            return _training(self._folder, self.settings.size, self.settings.turned, self.settings.mirrored)
        second = _characters(self._folder / SECOND, self.settings.size)
        return np.concatenate([second[alphabet] for alphabet in ALPHABETS[split]])

    def _of_one_alphabet(self, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Say which training classes each task takes first (count, classes): those of a class's alphabet, or none."""
        sizes = [len(each) for each in _characters(self._folder / FIRST, self.settings.size).values()]
        ways_up = self.train_classes // sum(sizes)
        alphabets = np.repeat(np.arange(len(sizes) * ways_up), sizes * ways_up)  # of one way up each
        chosen = alphabets[rng.integers(len(alphabets), size=count)]
        within = rng.random(count) < self.settings.within
        first: NDArray[np.bool_] = (alphabets == chosen[:, None]) & within[:, None]
        return first


@cache
def _training(folder: Path, size: int, turned: bool, mirrored: bool) -> Images:
    """Give the training classes, alphabet by alphabet, then all of them the next way up."""
    first = np.concatenate(list(_characters(folder / FIRST, size).values()))
    ways_up = [np.rot90(first, quarter, axes=(2, 3)) for quarter in range(4 if turned else 1)]
    if mirrored:
        ways_up += [each[..., ::-1] for each in ways_up]
    return np.concatenate(ways_up)


@cache
def _check_files(folder: Path) -> None:
    for name, wanted in FILES.items():
        path = folder / name
        if not path.is_file():
            raise MetaLearningError(
                f"{folder} holds no {name}; download it from the repository brendenlake/omniglot of its authors"
            )
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != wanted:
            raise MetaLearningError(
                f"{path} is not the published file: its sha256 is {found[:12]}..., not {wanted[:12]}..."
            )


@cache
def _characters(path: Path, size: int) -> Mapping[str, Images]:
    """Read a set: by alphabet, drawings (characters, 20, size, size), ink 1 and paper 0."""
    found: dict[str, dict[str, list[Images]]] = {}
    with zipfile.ZipFile(path) as opened:
        for name in sorted(opened.namelist()):
            if name.endswith(".png"):
                _, alphabet, character, _ = name.split("/")
                drawing = _drawing(opened.read(name), size)
                found.setdefault(alphabet, {}).setdefault(character, []).append(drawing)
    return {alphabet: np.stack([np.stack(each) for each in of.values()]) for alphabet, of in found.items()}


def _drawing(content: bytes, size: int) -> Images:
    with Image.open(io.BytesIO(content)) as image:
        grey = image.convert("L")
        scaled = grey if size == grey.width else grey.resize((size, size), Image.Resampling.BOX)
        paper: Images = np.asarray(scaled, dtype=np.float32) / np.float32(255)
        return np.float32(1) - paper


@cache
def one_shot_runs(folder: Path, size: int = 105) -> TaskBatch:
    """Read the 20 published runs: 20 characters of one alphabet, one drawing of each to learn from and one to sort."""
    support, query, labels = [], [], []
    with zipfile.ZipFile(folder / RUNS) as opened:
        for run in range(1, RUN_COUNT + 1):
            place = f"run{run:02}"
            numbers = range(1, DRAWINGS + 1)
            support.append([_drawing(opened.read(f"{place}/training/class{each:02}.png"), size) for each in numbers])
            query.append([_drawing(opened.read(f"{place}/test/item{each:02}.png"), size) for each in numbers])
            pairs = dict(line.split() for line in opened.read(f"{place}/class_labels.txt").decode().splitlines())
            of_item = {Path(item).stem: Path(known).stem for item, known in pairs.items()}
            labels.append([int(of_item[f"item{each:02}"].removeprefix("class")) - 1 for each in numbers])
    order = torch.arange(DRAWINGS).expand(len(support), DRAWINGS).contiguous()
    return TaskBatch(
        Examples(torch.from_numpy(np.array(support))[:, :, None], order),
        Examples(torch.from_numpy(np.array(query))[:, :, None], torch.tensor(labels)),
        DRAWINGS,
    )


def _some(batch: TaskBatch, places: list[int]) -> TaskBatch:
    def of(examples: Examples) -> Examples:
        return Examples(examples.inputs[places], examples.targets[places])

    return TaskBatch(of(batch.support), of(batch.query), batch.ways)


def _make(settings: OmniglotSettings, source: Source) -> Omniglot:
    if source.data is None:
        raise MetaLearningError(f"omniglot needs the folder of its files; name it by --data or {VARIABLE}")
    return Omniglot(settings, source.data)


KIND = FamilyKind(
    settings=OmniglotSettings,
    make=_make,
    needs="data",
    fingerprint=lambda settings, source: hashlib.sha256("".join(FILES.values()).encode()).hexdigest(),
    variable=VARIABLE,
)
