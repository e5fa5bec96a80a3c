"""The errors of this room that are the user's to mend."""


class StorageError(ValueError):
    """A mistake in what was asked: the message names the value, what was expected, the remedy."""


class Unreachable(StorageError):
    """A store that does not answer: the same may pass when it is tried again."""


def being_written(name: str, url: str) -> StorageError:
    """The error for a lock that another run did not give back in time."""
    return StorageError(f"{name[:12]} in {url} is being written by another run; wait for it to end")
