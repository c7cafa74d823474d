"""`poet render`: a film of an agent in an environment, or moments of it side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from poet import archive as archives
from poet.agents import parse_activations
from poet.display.output import LARGEST, Activations, Run, say
from poet.display.waiting import waiting
from poet.errors import InputError
from poet.report import rendering


def render(
    run: Run,
    niche: Annotated[
        int, typer.Argument(metavar="NICHE", min=0, max=LARGEST, help="Which niche; its best agent is shown in it.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="FILE.gif, FILE.mp4 or FILE.png.")],
    agent_of: Annotated[
        int | None, typer.Option(metavar="NICHE", min=0, max=LARGEST, help="Show the best agent of another niche.")
    ] = None,
    agent: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Show the agent of a file: .safetensors, or PyTorch's .pt.")
    ] = None,
    activations: Activations = None,
    environment: Annotated[
        str | None, typer.Option(metavar="JSON", help="Show the agent in this environment, not in its niche.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST, help="Seed of the episode; by default that of the median fresh episode."),
    ] = None,
) -> None:
    """Make a film of a pair, or a PNG of moments side by side; needs no screen.

    Any agent can be shown in any environment: --agent-of and --agent choose
    the one, NICHE or --environment the other. What is shown is neither the
    luckiest nor the worst of what the agent does, but the median of its fresh
    episodes; --seed shows another.
    """
    if agent is not None and agent_of is not None:
        raise InputError("--agent and --agent-of exclude each other")
    if activations is not None and agent is None:
        raise InputError(f"--activations {activations} goes with --agent FILE")
    kinds = parse_activations(activations)
    rendering.check_format(output)
    with archives.reading(run) as connection:
        cast = rendering.Cast(
            niche=niche, agent_of=agent_of, agent_file=agent, activations=kinds, environment=environment
        )
        scene = rendering.scene_of(connection, cast, seed)
    with waiting(f"filming {output}", "steps") as note:
        take = rendering.film(replace(scene, progress=note), output)
    say(f"{output}: {take.steps} steps, return {take.score:.1f}; {scene.episode}")
