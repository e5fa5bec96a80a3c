"""All claims of the paper, E1 to E14: a sentence, its requirements and its smallest difference."""

from seelike.analysis.claims.catalogue import inside, probes, similarity
from seelike.analysis.claims.catalogue.definition import Claim
from seelike.analysis.errors import suggest

__all__ = ["CLAIMS", "Claim", "claim"]

# In the order of the experiments.
CLAIMS: tuple[Claim, ...] = tuple(
    sorted(
        (*similarity.CLAIMS, *inside.CLAIMS, *probes.CLAIMS),
        key=lambda one: int(one.experiment.removeprefix("E")),
    )
)
_BY_ID = {one.id: one for one in CLAIMS}


def claim(id: str) -> Claim:
    """Find a claim by id; ``KeyError`` with the nearest id where there is none."""
    if id not in _BY_ID:
        raise KeyError(f"no claim {id!r} in analysis/claims/catalogue; {suggest(id, _BY_ID)}")
    return _BY_ID[id]
