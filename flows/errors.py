"""The one error of this room that is the user's to mend."""


class StudyError(ValueError):
    """A mistake in a study: the message names the key, what was expected, the remedy."""
