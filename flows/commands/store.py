"""The verbs of `seelike store`: list entries, verify checksums, remove entries."""

from seelike.flows.commands.text import format_table
from seelike.storage import maintenance
from seelike.storage.errors import StorageError
from seelike.storage.store import open_store
from seelike.tasks.planning.resources import format_bytes


def listing(url: str) -> str:
    """List the entries of the store at ``url``: kind, digest, size, content; then the totals."""
    entries = list(maintenance.entries(open_store(url)))
    rows = [("kind", "digest", "size", "content")]
    rows += [(e.kind, e.name[:12], format_bytes(e.size), e.about) for e in entries]
    total = f"{_count(len(entries))}, {format_bytes(sum(entry.size for entry in entries))}"
    return f"{format_table(rows, left=(0, 1, 3))}\n{total}" if entries else total


def verify(url: str, *, mend: bool) -> str:
    """Check every checksum of the store at ``url``.

    Args:
        url: A folder, or a bucket's URL.
        mend: Whether to mark damaged batches as missing, so that the next run redoes them.

    Returns:
        One line on the outcome.

    Raises:
        StorageError: Batches are damaged, and ``mend`` is false.
    """
    store = open_store(url)
    faults = list(maintenance.faults(store))
    if faults and not mend:
        first = faults[0].message
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise StorageError(f"{first}{more}")
    for fault in faults:
        maintenance.mend(store, fault)
    if faults:
        return f"{len(faults)} damaged batches marked as missing: the next run redoes them"
    return "every complete batch matches its checksum"


def remove(url: str, what: str) -> str:
    """Remove from the store at ``url`` the entry with digest ``what``, or all entries of a kind."""
    gone = maintenance.remove(open_store(url), what)
    return f"removed {_count(len(gone))}, {format_bytes(sum(entry.size for entry in gone))}"


def _count(entries: int) -> str:
    return "1 entry" if entries == 1 else f"{entries} entries"
