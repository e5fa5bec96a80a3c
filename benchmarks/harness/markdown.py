"""Numbers and tables in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seconds(measured: dict[str, Any] | None) -> str:
    """A spread of seconds: the median, and in brackets the extremes."""
    if measured is None:
        return "not measured"
    low, high = number(measured["min"]), number(measured["max"])
    return f"{number(measured['median'])} ({low} to {high})"


def number(value: float | None) -> str:
    """Three digits, without an exponent where it can be."""
    if value is None:
        return "none"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        text = f"{value:.3g}"
        return f"{float(text):g}" if "e" in text else text
    return f"{value:.1e}"


def times(value: float | None) -> str:
    """A ratio."""
    return "not measured" if value is None else f"{value:.2f}x"


def percent(share: float) -> str:
    """A share of one."""
    return f"{100 * share:.0f} %"


def size(count: float) -> str:
    """A number of bytes."""
    return f"{count / 1e9:.2f} GB" if abs(count) >= 1e9 else f"{count / 1e6:.1f} MB"


def listed(words: Sequence[str]) -> str:
    """Words in a sentence: a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
