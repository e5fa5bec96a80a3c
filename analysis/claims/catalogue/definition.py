"""The type of a claim."""

from dataclasses import dataclass

from seelike.analysis.claims.requirements import Requirement


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper, and what a test of it takes.

    Attributes:
        id: Experiment and name, such as ``E1-ends``.
        sentence: The claim in a sentence.
        requirements: Models and images that a study has to have.
        least: The smallest difference that matters, stated before anything is measured.
        unit: The unit of ``least``.
        reason: Why a smaller difference does not matter.
        agree: Whether the claim's numbers say the same in several ways and have to agree;
            otherwise all of them have to hold.
    """

    id: str
    sentence: str
    requirements: tuple[Requirement, ...]
    least: float
    unit: str
    reason: str
    agree: bool = False

    @property
    def experiment(self) -> str:
        """The experiment that the claim belongs to: E1 to E14."""
        return self.id.partition("-")[0]
