"""What `seelike store` says of a store: its content, its faults, what was removed."""

from seelike.storage import maintenance
from seelike.storage.errors import StorageError
from seelike.storage.store import open_store
from seelike.tasks.planning.resources import megabytes


def listing(url: str) -> str:
    """A line for everything in the store at ``url``."""
    entries = list(maintenance.entries(open_store(url)))
    lines = [f"{e.kind:<12} {e.name[:12]}  {megabytes(e.size):>10}  {e.about}" for e in entries]
    total = megabytes(sum(entry.size for entry in entries))
    return "\n".join([*lines, f"{len(entries)} things, {total}"])


def verified(url: str, *, mend: bool) -> str:
    """Check every checksum of the store at ``url``; ``StorageError`` for faults not mended."""
    store = open_store(url)
    faults = list(maintenance.faults(store))
    if faults and not mend:
        first = faults[0].message
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise StorageError(f"{first}{more}")
    for fault in faults:
        maintenance.mend(store, fault)
    if faults:
        return f"{len(faults)} damaged batches marked as missing: the next run does them again"
    return "every complete batch is what its checksum says"


def removed(url: str, what: str) -> str:
    """Remove ``what`` from the store at ``url``; what went."""
    gone = maintenance.remove(open_store(url), what)
    return f"removed {len(gone)} things, {megabytes(sum(entry.size for entry in gone))}"
