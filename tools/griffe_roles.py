"""For the site: docstrings as Markdown knows them.

They name things as ``:class:`Face```, which here becomes code; the two colons before a program become one; and the
comments of constants, ``#: ...`` above or ``# ...`` beside them, become their docstrings.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`~?([^`]+)`")
COLONS = re.compile(r"(?<=\S)::$|^ *::\n", re.MULTILINE)
BESIDE = re.compile(r"[^'\"#]*#\s+(.*)$")


class Roles(griffe.Extension):
    """Gives constants their comments, and makes Markdown of every docstring, before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """One module, class, function or attribute."""
        if obj.is_attribute and not obj.docstring and (text := comment(obj)):
            obj.docstring = griffe.Docstring(text, parent=obj, lineno=obj.lineno)
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """A docstring without what only reStructuredText knows."""
    return COLONS.sub(lambda found: ":" if found[0] == "::" else "", ROLE.sub(r"`\1`", text))


def comment(obj: griffe.Object) -> str:
    """What the source says of a constant, or \"\"."""
    if not obj.parent or not obj.parent.is_module or obj.lineno is None:
        return ""
    lines = obj.lines_collection[obj.filepath]
    above: list[str] = []
    row = obj.lineno - 2  # lines count from 1
    while row >= 0 and lines[row].startswith("#:"):
        above.insert(0, lines[row].removeprefix("#:").strip())
        row -= 1
    beside = BESIDE.match(lines[obj.lineno - 1])
    return " ".join(above) or (beside[1] if beside else "")
