"""Read a written report: where its page is, lineage of its figures, whether it is unchanged."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from seelike.storage.errors import StorageError
from seelike.storage.places.place import Place, as_json, open_place

INDEX = "index.html"
# Lineage of every figure, for programs: `seelike report --trace` reads it.
TRACES = "provenance.json"
# What the Prefect UI shows of the report, for a run that finds it unchanged.
ARTIFACTS = "artifacts.json"
# A change of how traces are written changes this number.
FORMAT = 1
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FILE = re.compile(rf"figures/{NAME.pattern}\.(png|svg)|data/{NAME.pattern}\.csv")


def index_of(folder: str) -> str:
    """Path or URL of the page of the report in ``folder``."""
    return f"{folder.rstrip('/')}/{INDEX}"


def unchanged(folder: str, drawn_from: str, *, store: str = "") -> bool:
    """Whether ``folder`` has the report drawn from the same, every file as it was written.

    Args:
        folder: A path or a bucket's URL.
        drawn_from: Digest of all that a page depends on, as given to ``write``.
        store: URL of the store, as given to ``write``.
    """
    place = open_place(folder)
    try:
        found = json.loads(place.read(TRACES) or b"{}")
        whole = found["sha256"] == traces_digest(found)
        same = (found["drawn_from"], found["store"]) == (drawn_from, store)
        files: dict[str, str] = found["files"] if same else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(drawn_from and whole and files) and all(
        allowed(name) and sha256(place.read(name) or b"") == written
        for name, written in files.items()
    )


def files_of(place: Place) -> set[str]:
    """The files of a report as provenance.json lists them; none where it does not."""
    try:
        listed = json.loads(place.read(TRACES) or b"{}")["files"]
        return {name for name in listed if allowed(name)}
    except (ValueError, KeyError, TypeError):
        return set()


def artifacts_of(folder: str) -> bytes:
    """The content of artifacts.json of the report in ``folder``; empty without one."""
    return open_place(folder).read(ARTIFACTS) or b""


def traces(folder: str) -> Mapping[str, Any] | None:
    """Lineage of the figures of the report in ``folder``.

    Returns:
        ``store``, its URL, and ``figures``, records of ``as_record`` by figure; None without a
        report.

    Raises:
        StorageError: Another format version, or a damaged file.
    """
    place = open_place(folder)
    content = place.read(TRACES)
    if content is None:
        return None
    try:
        found: dict[str, Any] = json.loads(content)
        version = found["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{place.url}/{TRACES} is damaged; draw the report again: `seelike report STUDY`"
        ) from error
    if version != FORMAT:
        raise StorageError(
            f"report {place.url} has format {version}, this seelike writes format {FORMAT}; "
            "draw it again: `seelike report STUDY`"
        )
    return found


def traces_digest(traces: Mapping[str, Any]) -> str:
    """Digest of the content of provenance.json but the store's place: a moved report is whole."""
    return sha256(as_json({k: v for k, v in traces.items() if k not in ("store", "sha256")}))


def sha256(content: bytes) -> str:
    """SHA-256 of ``content``, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def allowed(name: str) -> bool:
    """Whether ``name`` can be a file of a report: no other file is read or removed."""
    return name in (INDEX, TRACES, ARTIFACTS) or bool(_FILE.fullmatch(name))
