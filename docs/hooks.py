"""What MkDocs does not do itself: results, sources and the tutorial become pages of the site.

Pages link to files of the repository as a reader of the repository would, by relative paths. Here those links
come to lead to copies within the site, so that it is whole without a network: results in Markdown and pictures under
`benchmarks/`, all other files as text under `source/`. `tutorial.ipynb` becomes the page `tutorial.md`.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

LINK = re.compile(r"(?P<opening>\]\()(?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")
RESULTS, SOURCE, NOTEBOOK, TUTORIAL = "benchmarks", "source", "tutorial.ipynb", "tutorial.md"
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")  # at the repository's root
REMOTE = "https://unpkg.com/iframe-worker/shim"
SHOWN = {".md", ".png", ".gif", ".svg", ".json"}  # of results; other files are shown as source


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the results, the files that pages link to, and the tutorial."""
    root = Path(config.config_file_path).parent
    results = [path for path in sorted((root / RESULTS).rglob("*")) if path.suffix in SHOWN and path.is_file()]
    for path in [*(root / name for name in PAGES), *results]:
        files.append(_file(config, path.relative_to(root).as_posix(), path))
    linked = {target for file in files.documentation_pages() for target in _outside(file, root)}
    for target in sorted(linked):
        files.append(_file(config, f"{SOURCE}/{target}.txt", root / target))
    notebook = files.get_file_from_path(NOTEBOOK)
    if notebook is not None:
        files.remove(notebook)
        written = json.loads(Path(notebook.abs_src_path or "").read_text(encoding="utf-8"))
        files.append(File.generated(config, TUTORIAL, content=notebook_page(written)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files of the repository to their copies in the site."""
    root = Path(config.config_file_path).parent
    source = page.file.src_uri

    def led(match: re.Match[str]) -> str:
        target = _in_repository(source, match["target"])
        if target is None or not (root / target).is_file():
            return match[0]  # MkDocs says that it leads nowhere
        place = TUTORIAL if target == f"docs/{NOTEBOOK}" else target.removeprefix("docs/")
        if files.get_file_from_path(place) is None:
            place = f"{SOURCE}/{target}.txt"
        relative = posixpath.relpath(place, posixpath.dirname(source) or ".")
        return f"{match['opening']}{relative}{match['anchor'] or ''})"

    return LINK.sub(led, markdown)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Let the search of a site opened as files use our own script, not the one that the theme names on the net."""
    ours = posixpath.relpath("assets/worker.js", posixpath.dirname(page.file.dest_uri) or ".")
    return output.replace(REMOTE, ours)


def on_post_template(output_content: str, *, template_name: str, config: MkDocsConfig) -> str:
    """Do the same in pages that are nobody's source, such as the one for addresses that lead nowhere."""
    return output_content.replace(REMOTE, "assets/worker.js")


def notebook_page(notebook: dict[str, Any]) -> str:
    """Write a notebook, with the outputs that it holds, as Markdown."""
    return "\n\n".join(text for cell in notebook["cells"] for text in _cell(cell)) + "\n"


def _cell(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    return [f"```python\n{source}\n```", *filter(None, map(_output, cell["outputs"]))]


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        picture = "".join(data["image/png"]).replace("\n", "")
        base64.b64decode(picture, validate=True)
        return f"![What the cell above draws](data:image/png;base64,{picture})"
    text = "".join(output.get("text", data.get("text/plain", [])))
    return f"```text\n{text.rstrip()}\n```" if text.strip() else ""


def _file(config: MkDocsConfig, source: str, path: Path) -> File:
    file = File.generated(config, source, abs_src_path=str(path))
    file.inclusion = InclusionLevel.NOT_IN_NAV
    return file


def _outside(file: File, root: Path) -> set[str]:
    """Name the files of the repository, neither pages nor results, that a page links to."""
    targets = {_in_repository(file.src_uri, match["target"]) for match in LINK.finditer(file.content_string)}
    return {
        target
        for target in targets
        if target is not None
        and (root / target).is_file()
        and not target.startswith("docs/")
        and target not in PAGES
        and not (target.startswith(f"{RESULTS}/") and Path(target).suffix in SHOWN)
    }


def _in_repository(source: str, target: str) -> str | None:
    """Resolve a link of a page to a path in the repository; None if it leads out of it."""
    here = source if _from_root(source) else f"docs/{source}"
    found = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
    return None if found.startswith("..") else found


def _from_root(source: str) -> bool:
    return source in PAGES or source.startswith(f"{RESULTS}/")
