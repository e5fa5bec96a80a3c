"""Wording that all reports share: lists of names, and sentences that begin with a term."""

from collections.abc import Iterable, Sequence

from seelike.analysis.claims.relations import MOST


def join_names(names: Iterable[str]) -> str:
    """``names`` as a sentence lists them: ``a``, ``a and b``, ``a, b and c``."""
    each = list(names)
    return " and ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)


def names_or_count(models: Sequence[str]) -> str:
    """``models`` by name, or how many they are where they are many."""
    return join_names(models) if len(models) <= MOST else f"{len(models)} networks"


def capitalize(text: str) -> str:
    """``text`` with a capital first letter, all others as they are."""
    return text[:1].upper() + text[1:]


def count(number: int, noun: str) -> str:
    """``number`` with its noun: ``1 layer``, ``2 layers``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
