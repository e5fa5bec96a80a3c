"""Globs over dotted names of modules: ``*`` matches within one component, ``**`` across them."""

import re
from dataclasses import dataclass
from typing import Literal

from seelike.analysis.errors import AnalysisError

Side = Literal["output", "input"]
_WILD = {"**.": r"(?:.*\.)?", "**": ".*", "*": r"[^.]*", "?": r"[^.]"}


@dataclass(frozen=True)
class Pattern:
    """One pattern ``MODULES[@CALL][:input]``.

    Attributes:
        text: The pattern as given.
        modules: The glob over names of modules.
        side: Output or input of the module.
        call: Number of the call, from 0; None for every call.
    """

    text: str
    modules: str
    side: Side
    call: int | None

    def matches(self, module: str) -> bool:
        """Whether the dotted name of a module matches, whatever its side and call."""
        return _expression(self.modules).fullmatch(module) is not None


def parse(text: str) -> Pattern:
    """Parse one pattern.

    Raises:
        AnalysisError: For an unknown suffix.
    """
    head, colon, side = text.partition(":")
    if colon and side not in ("input", "output"):
        raise AnalysisError(
            f"pattern {text!r} ends in ':{side}'; only ':input' reads a module's input, "
            f"and nothing (or ':output') its output"
        )
    modules, at, call = head.partition("@")
    if at and not call.isdecimal():
        raise AnalysisError(
            f"pattern {text!r} has no call number after '@'; write '{modules}@0' for the first call"
        )
    read: Side = "input" if side == "input" else "output"
    return Pattern(text, modules, read, int(call) if at else None)


def generalise(name: str) -> str:
    """Replace numbers by wildcards: ``blocks.3.mlp`` becomes ``blocks.*.mlp``."""
    return ".".join("*" if part.isdecimal() else part for part in name.split("."))


def _expression(glob: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*\.|\*\*|\*|\?)", glob)
    return re.compile("".join(_WILD.get(part, re.escape(part)) for part in parts))
