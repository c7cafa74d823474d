"""Where the constants of the published algorithms come from: paper, code, or inference.

POET is Wang, Lehman, Clune and Stanley 2019 (arXiv:1901.01753), Enhanced POET Wang,
Lehman, Rawal, Zhi, Li, Clune and Stanley 2020 (arXiv:2003.08536), each with the code
that its authors published. The presets `original` and `enhanced` set these values;
`quick` and `hexapod` are ours. Where paper and code differ, the paper's value stands
and the note gives the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Source(StrEnum):
    """What a published value rests on."""

    PAPER = "paper"
    CODE = "code"  # the authors', where the paper does not say
    INFERENCE = "inference"  # from what the paper reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published value, as our setting would be set to it."""

    value: Any
    source: Source
    note: str = ""  # what else there is to know, such as the other source's value


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What the two papers set a setting to; None where they have no such thing."""

    poet: Published | None = None
    enhanced: Published | None = None


def _paper(value: Any, note: str = "") -> Published:
    return Published(value=value, source=Source.PAPER, note=note)


def _code(value: Any, note: str = "") -> Published:
    return Published(value=value, source=Source.CODE, note=note)


def _inferred(value: Any, note: str) -> Published:
    return Published(value=value, source=Source.INFERENCE, note=note)


def _both(published: Published) -> Provenance:
    return Provenance(poet=published, enhanced=published)


OURS = Provenance()
"""A setting that neither paper has."""

PROVENANCE: Mapping[str, Provenance] = {
    "seed": OURS,
    "iterations": Provenance(poet=_paper(25_200, "the code's script runs 50,000"), enhanced=_paper(60_000)),
    "domain": _both(_paper("walker2d", "the code's lidar is not this body's: it reports the first shape found")),
    "engine": OURS,
    "episode_limit": _both(_code(2000)),
    "score_episodes": _both(_code(5, "all equal, for the push is fixed; we run one of them")),
    "push": _both(_code("fixed", "a niche's seed decides it, so that its evaluation is deterministic")),
    "optimiser.name": _both(_paper("es")),
    "es.pairs": _both(_paper(256, "512 perturbations a step, antithetic in the code")),
    "es.sigma": _both(_paper(0.1)),
    "es.sigma_decay": _both(_paper(0.999)),
    "es.sigma_floor": _both(_paper(0.01)),
    "es.step_size": _both(_paper(0.01)),
    "es.step_size_decay": _both(_paper(0.9999)),
    "es.step_size_floor": _both(_paper(0.001)),
    "es.weight_decay": _both(_code(0.01)),
    "minimal_criterion.lower": Provenance(poet=_paper(50.0, "25 in the code"), enhanced=_code(25.0)),
    "minimal_criterion.upper": Provenance(poet=_paper(300.0, "340 in the code"), enhanced=_code(340.0)),
    "reproduction.every": Provenance(
        poet=_inferred(150, "the paper's 19,014 attempted transfers are exactly what 150 gives; 200 in a later script"),
        enhanced=_code(150),
    ),
    "reproduction.parent_score": _both(_paper(200.0)),
    "reproduction.children": _both(_code(8)),
    "reproduction.admitted": _both(_code(1)),
    "reproduction.capacity": Provenance(poet=_paper(20, "25 in the code"), enhanced=_paper(40)),
    "reproduction.neighbours": _both(_paper(5)),
    "reproduction.novelty": Provenance(poet=_paper("encoding"), enhanced=_paper("pata-ec")),
    "reproduction.whole_archive": Provenance(
        enhanced=_paper(True, "the code asks archived agents alone, and only as they are")
    ),
    "transfer.every": _both(_paper(25)),
    "transfer.rule": Provenance(poet=_paper("original"), enhanced=_paper("improved")),
    "transfer.restart": _both(_code("full", "Adam, step size and sigma begin anew")),
    "transfer.confirm": OURS,
    "encoding.name": Provenance(poet=_paper("parametric"), enhanced=_paper("cppn")),
    "encoding.options.kinds": Provenance(poet=_paper(["roughness", "pit", "stump"], "the code has stairs too")),
    "encoding.options.start": _both(_paper({}, "flat ground")),
    "encoding.options.from_zero": Provenance(
        poet=_code("published", "roughness 0 moves by U(-0.6, 0.6), clipped: it stays 0 in 54% of draws")
    ),
    "encoding.options.distance": Provenance(poet=_code("raw", "genes are compared in their own units")),
    "encoding.options.bounds": Provenance(
        enhanced=_code("published", "relief is bounded over inputs in [-1, 1], a third of the course")
    ),
    "encoding.options.obstacles": Provenance(enhanced=_paper([], "bare ground")),
    "encoding.options.physics": OURS,
    "controller.hidden": OURS,  # the domain's own when empty, which for the walker are the paper's two layers of 40
    "controller.activation": _both(_paper("tanh")),
    "controller.output": _both(_paper("tanh")),
    "archive.checkpoint_every": OURS,
    "archive.checkpoints": OURS,
}
"""By dotted name, every setting of a run and every option of the walker's encodings."""
