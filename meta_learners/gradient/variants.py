"""The gradient-based learners by name: what each changes of MAML.

| name | changes | source |
|---|---|---|
| maml | nothing | Finn et al. 2017, arXiv:1703.03400 |
| fomaml | ignores second derivatives | the same, section 5.2 |
| reptile | moves towards the adapted parameters | Nichol et al. 2018, arXiv:1803.02999 |
| anil | adapts the last layer only | Raghu et al. 2020, arXiv:1909.09157 |
| meta-sgd | learns a rate for every parameter | Li et al. 2017, arXiv:1707.09835 |
| e-maml | credits exploring with what came of adapting | Stadie et al. 2018, arXiv:1803.01118 |
| promp | unbiased second derivatives; PPO outside | Rothfuss et al. 2019, arXiv:1810.06784 |
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What a learner changes of MAML."""

    second_order: bool = True
    last_layer_only: bool = False
    learned_rates: bool = False
    reptile: bool = False
    exploration: bool = False  # E-MAML's term
    likelihood_ratio: bool = False  # in the inner loss of policies
    outer: str = "trpo"  # for policies, unless the settings say otherwise; or "ppo"


VARIANTS = {
    "maml": Variant(),
    "fomaml": Variant(second_order=False),
    "reptile": Variant(second_order=False, reptile=True),
    "anil": Variant(last_layer_only=True),
    "meta-sgd": Variant(learned_rates=True),
    "e-maml": Variant(exploration=True),
    "promp": Variant(likelihood_ratio=True, outer="ppo"),
}


def variant(name: str) -> Variant:
    """Find a learner.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in VARIANTS:
        raise ValueError(f"learner is {name!r}; gradient-based learners are {', '.join(VARIANTS)}")
    return VARIANTS[name]
