"""Patterns over timm's list of models."""

from collections.abc import Sequence

import timm

from seelike.analysis.errors import AnalysisError, quoted, suggest

# Largest number of models per pattern without a limit: hundreds take a day and fill a disk.
MOST = 100


def is_pattern(name: str) -> bool:
    """Whether ``name`` has wildcards, as in a shell."""
    return any(sign in name for sign in "*?[")


def matching_models(
    pattern: str, *, pretrained: bool, exclude: Sequence[str] = (), limit: int | None = None
) -> list[str]:
    """List the names of timm's models that match a pattern, in timm's order.

    Args:
        pattern: A name with wildcards, such as ``resnet*``.
        pretrained: Only models with weights, one name per set of weights (``resnet50.a1_in1k``).
        exclude: Patterns of models to leave out.
        limit: The largest number of names.

    Raises:
        AnalysisError: For a pattern without a match, an exclusion that leaves out nothing or
            everything, and more than 100 names without a limit.
    """
    found = timm.list_models(pattern, pretrained=pretrained)
    if not found:
        raise AnalysisError(_nothing(pattern, pretrained=pretrained))
    for one in exclude:
        left = timm.list_models(pattern, pretrained=pretrained, exclude_filters=one)
        if len(left) == len(found):
            raise AnalysisError(
                f"exclude {one!r} leaves out none of the {len(found)} networks that {pattern!r} "
                f"matches, such as {quoted(found[:3])}"
            )
    chosen: list[str] = timm.list_models(
        pattern, pretrained=pretrained, exclude_filters=list(exclude)
    )
    if not chosen:
        raise AnalysisError(f"exclude {list(exclude)} leaves nothing of what {pattern!r} matches")
    if limit is None and len(chosen) > MOST:
        raise AnalysisError(
            f"pattern {pattern!r} matches {len(chosen)} networks of timm, more than {MOST}; set "
            "limit: N to take the first N of them, or leave some out with exclude"
        )
    return chosen[:limit]


def _nothing(pattern: str, *, pretrained: bool) -> str:
    plain = pattern.translate(str.maketrans("", "", "*?["))
    without = " with weights" if pretrained else ""
    if pretrained and timm.list_models(pattern):
        return (
            f"pattern {pattern!r} matches no network of timm with weights, but "
            f"{quoted(timm.list_models(pattern)[:3])} without; set pretrained: false"
        )
    known = timm.list_models(pretrained=pretrained)
    return f"pattern {pattern!r} matches no network of timm{without}; {suggest(plain, known)}"
