"""The one error of this room that is the user's to mend."""


class AnalysisError(ValueError):
    """A mistake in what was asked: the message names the value, what was expected, the remedy."""
