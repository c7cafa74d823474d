"""`poet settings`: what each setting means, may be, is by default and is in the papers."""

from __future__ import annotations

from typing import Annotated

import typer

from poet.commands import reference, tables
from poet.display.output import Json, show
from poet.errors import InputError


def settings(
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="One setting, such as es.pairs, or a section, such as es.")
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Write the table of docs/settings.md.")] = False,
    as_json: Json = False,
) -> None:
    """Explain the settings: what each means, may be, is by default and is in the papers."""
    if as_markdown:
        if as_json or key is not None:
            raise InputError("--markdown writes the whole page and goes with nothing else")
        typer.echo(reference.markdown(), nl=False)
        return
    found = reference.chosen(key)
    show([each.to_json() for each in found], as_json, lambda _: tables.settings(found))
