"""Errors that the user can correct, and suggestions of names for their messages."""

from collections.abc import Iterable
from difflib import get_close_matches

SUGGESTIONS, LISTED = 3, 8


class StorageError(ValueError):
    """A mistake of the user; the message names the value, what was expected, and the remedy."""


class Unreachable(StorageError):
    """A store that does not answer: a transient error, worth a retry."""


def being_written(name: str, url: str) -> StorageError:
    """Error for a lock that another run holds beyond the time to wait."""
    return StorageError(f"{name[:12]} in {url} is being written by another run; wait for it to end")


def suggest(name: str, known: Iterable[str]) -> str:
    """Suggest at most three names for an unknown one, as the end of an error message.

    Args:
        name: The unknown name.
        known: The names that exist.

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
        return f"nearest: {', '.join(map(repr, near[:SUGGESTIONS]))}"
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    listed = ", ".join(map(repr, names[:LISTED]))
    return f"nearest: none; there are {listed}{more}" if names else "nearest: none"
