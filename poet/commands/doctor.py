"""`poet doctor`: what of the installation works, or whether a run's archive is what was committed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poet import diagnosis
from poet.commands import tables
from poet.commands.complaints import FAILED
from poet.display.output import Json, show
from poet.display.waiting import waiting


def doctor(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="Folder of a run to examine instead.")] = None,
    as_json: Json = False,
) -> None:
    """Say what of the installation works; exit status 1 if evolving the walker does not.

    With RUN: compare all that its archive keeps with its checksums; exit
    status 1 if something is not what was committed.
    """
    with waiting("trying each part" if run is None else f"comparing {run} with its checksums"):
        findings = diagnosis.diagnose() if run is None else diagnosis.examine(run)
    show(diagnosis.rows(findings), as_json, tables.findings)
    if any(finding.needed and not finding.works for finding in findings):
        raise typer.Exit(FAILED)
