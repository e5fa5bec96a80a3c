"""The errors that a flow raises itself."""

from collections.abc import Mapping

from seelike.analysis.errors import AnalysisError
from seelike.storage.errors import StorageError


class StudyError(ValueError):
    """A mistake in a study: the message names the key, what was expected, the remedy."""


# Mistakes that the user can correct, whichever package raised them.
MISTAKES = (StudyError, AnalysisError, StorageError)


class Incomplete(RuntimeError):
    """A run that ended without some models.

    Attributes:
        missing: The reason by the name of each missing model.
        report: Path or URL of the report, which shows the other models.
        mistakes: Whether the user can correct all of the reasons.
    """

    def __init__(self, missing: Mapping[str, str], *, report: str, mistakes: bool) -> None:
        self.missing, self.report, self.mistakes = dict(missing), report, mistakes
        reasons = "; ".join(f"{name!r}: {why}" for name, why in missing.items())
        models = "1 model is" if len(missing) == 1 else f"{len(missing)} models are"
        super().__init__(f"{models} missing from {report}: {reasons}")
