"""Show examples of docstrings as code: paragraphs that begin with >>> are fenced before Markdown sees them."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

TYPED = {  # for what pytest hands to an example, what a reader would type
    'getfixture("tmp_path") / "first"': '"runs/first"',
    'getfixture("small_run")': 'Run.open("runs/first")',
}
EXAMPLE = re.compile(r"^>>> .*?(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)


class Doctests(Extension):
    """Fences examples in the docstrings of everything that is loaded."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Fence the examples of one object's docstring."""
        if obj.docstring is not None:
            for fixture, typed in TYPED.items():
                obj.docstring.value = obj.docstring.value.replace(fixture, typed)
            obj.docstring.value = EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```", obj.docstring.value)
