"""Names of measures and analyses, and numbers of permutations, checked as a study is read."""

from typing import Annotated

from pydantic import AfterValidator

from seelike.analysis.similarity.measures import measure
from seelike.analysis.similarity.significance.permutation_tests import FEWEST, LEVEL
from seelike.storage.errors import suggest
from seelike.tasks.anatomy.registry import ANALYSES


def known_measures(names: list[str]) -> list[str]:
    """CKA and the measures of ``names``, each once; ``AnalysisError`` for an unknown one."""
    for name in names:
        measure(name)
    return list(dict.fromkeys(["cka", *names]))


def known_analyses(names: list[str]) -> list[str]:
    """The analyses of ``names``, each once; ``ValueError`` for an unknown one."""
    for name in names:
        if name not in ANALYSES:
            raise ValueError(f"unknown analysis {name!r}; {suggest(name, ANALYSES)}")
    return list(dict.fromkeys(names))


def enough_permutations(number: int) -> int:
    """``number`` itself; ``ValueError`` where no p value could be significant with so few."""
    # Each permutation gives two draws.
    if 0 < number < FEWEST // 2:
        raise ValueError(
            f"{number} permutations, expected 0 or at least {FEWEST // 2}: with fewer no p "
            f"value can be as low as {LEVEL:g}"
        )
    return number


Measures = Annotated[list[str], AfterValidator(known_measures)]
Analyses = Annotated[list[str], AfterValidator(known_analyses)]
Permutations = Annotated[int, AfterValidator(enough_permutations)]
