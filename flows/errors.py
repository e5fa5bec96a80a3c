"""The errors that a flow raises itself."""

from collections.abc import Mapping

from seelike.analysis.errors import AnalysisError
from seelike.storage.errors import StorageError


class StudyError(ValueError):
    """A mistake in a study: the message names the key, what was expected, the remedy."""


# The user's to mend, whichever room found them.
MISTAKES = (StudyError, AnalysisError, StorageError)


class Incomplete(RuntimeError):
    """A run that ended without some models: ``missing`` says why by name, ``report`` has the rest.

    ``mistakes``: whether all of it is the user's to mend.
    """

    def __init__(self, missing: Mapping[str, str], *, report: str, mistakes: bool) -> None:
        self.missing, self.report, self.mistakes = dict(missing), report, mistakes
        told = "; ".join(f"{name!r}: {why}" for name, why in missing.items())
        models = "1 model is" if len(missing) == 1 else f"{len(missing)} models are"
        super().__init__(f"{models} missing from {report}: {told}")
