"""Names for what is on disk: digests of what determines it, and the file names they may become."""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from google_crc32c import value as _crc32c

from seelike.storage.errors import StorageError

# A change of what is written, or of how it is laid out, changes this number.
FORMAT = 1

_TAP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.()+ -]*")


def digest(identity: dict[str, Any]) -> str:
    """SHA-256 (64 hex digits) of ``identity`` as sorted JSON, the format version included."""
    text = json.dumps(
        {"format": FORMAT, **identity}, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def content_digest(parts: Iterable[bytes]) -> str:
    """SHA-256 (64 hex digits) of ``parts``, their lengths included, in order."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def checksum(values: np.ndarray) -> int:
    """CRC-32C of the bytes of ``values`` in C order."""
    return int(_crc32c(np.ascontiguousarray(values)))


def tap_file(name: str) -> str:
    """``name`` if it may name an array on disk, otherwise ``StorageError``."""
    if not _TAP.fullmatch(name) or name == "digest":
        raise StorageError(
            f"tap {name!r} cannot name an array: letters, digits and . _ : @ - are allowed, "
            "and 'digest' is taken; tap a module of another name"
        )
    return name


def label(name: str) -> str:
    """``name`` if it may label a model or a study, otherwise ``StorageError``."""
    if not _NAME.fullmatch(name) or len(name) > 80:
        raise StorageError(
            f"name {name!r} is not usable: at most 80 letters, digits, spaces and . _ - + ( ), "
            "starting with a letter, digit or _"
        )
    return name


def slug(name: str) -> str:
    """``name`` in lower-case letters, digits and dashes, for files and Prefect keys."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
