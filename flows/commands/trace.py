"""Lineage of a report's figure, back to models and images, as lines of text."""

from seelike.flows.errors import StudyError
from seelike.storage.errors import suggest
from seelike.storage.places.place import open_place
from seelike.storage.reports.origins import format_lineage, from_record
from seelike.storage.reports.read import TRACES, traces
from seelike.storage.store import open_store


def trace(folder: str, figure: str) -> str:
    """List what a figure was drawn from.

    Args:
        folder: Folder or bucket's URL of a report; reports below it are searched as well.
        figure: Name of the figure, such as ``within``.

    Returns:
        A line per entry of the store, with its place there now; its own inputs are indented below.

    Raises:
        StudyError: There is no report, or no report has the figure.
        StorageError: A report or its store has another format version.
    """
    place = open_place(folder)
    below = [name for name in place.names("") if place.exists(f"{name}/{TRACES}")]
    found = {}
    for each in (folder, *(f"{folder.rstrip('/')}/{name}" for name in sorted(below))):
        known = traces(each)
        if known is not None:
            found[each] = known
    if not found:
        raise StudyError(f"no report in {folder}; `seelike compare STUDY` writes one")
    names = [name for known in found.values() for name in known["figures"]]
    if figure not in names:
        raise StudyError(
            f"figure {figure!r} is not in the reports in {folder}; {suggest(figure, names)}"
        )
    lines = []
    for each, known in found.items():
        if figure in known["figures"]:
            lines.append(f"figure {figure} of {each}")
            origins = [from_record(record) for record in known["figures"][figure]]
            # Inputs are looked up in the store that the report was drawn from.
            store = open_store(known["store"]) if origins else None
            lines += [
                line
                for origin in origins
                if store
                for line in format_lineage(origin, store, depth=1)
            ]
    return "\n".join(lines)
