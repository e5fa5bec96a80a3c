"""The error that a person can mend, and the names that its message suggests."""

from collections.abc import Iterable
from difflib import get_close_matches

SUGGESTIONS, LISTED = 3, 8


class AnalysisError(ValueError):
    """A mistake in the input: the message has the value, the expectation and the remedy."""


def suggest(name: str, known: Iterable[str], *, suffix: str = "") -> str:
    """Suggest at most three names for an unknown one, as the end of an error message.

    Args:
        name: What a person wrote.
        known: The names that exist.
        suffix: Written behind every suggested name.

    Returns:
        ``nearest: 'a', 'b'`` where names are similar whatever their case (``difflib`` ratio of
        at least 0.6) or contain ``name``, the most similar first; else ``nearest: none`` and the
        first known names.
    """
    names = list(dict.fromkeys(known))
    folded = {one.casefold(): one for one in reversed(names)}
    wanted = name.casefold()
    near = [folded[one] for one in get_close_matches(wanted, folded, n=SUGGESTIONS)]
    near = near or [one for one in names if wanted and wanted in one.casefold()]
    if near:
        return f"nearest: {quoted(f'{one}{suffix}' for one in near[:SUGGESTIONS])}"
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    listed = quoted(f"{one}{suffix}" for one in names[:LISTED])
    return f"nearest: none; there are {listed}{more}" if names else "nearest: none"


def quoted(names: Iterable[str]) -> str:
    """``'a', 'b'`` for a message."""
    return ", ".join(repr(name) for name in names)
