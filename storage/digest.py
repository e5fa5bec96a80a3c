"""Names of entries on disk: digests of what determines them, and names allowed in files."""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from google_crc32c import value as _crc32c

from seelike.storage.errors import StorageError

# Raise this number with any change of the stored content or its layout.
FORMAT = 1

_TAP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.()+ -]*")


def digest(identity: dict[str, Any]) -> str:
    """Compute the SHA-256 (64 hex digits) of ``identity`` and ``FORMAT`` as sorted JSON."""
    text = json.dumps(
        {"format": FORMAT, **identity}, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def content_digest(parts: Iterable[bytes]) -> str:
    """Compute the SHA-256 (64 hex digits) of ``parts`` and their lengths, in order."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def checksum(values: np.ndarray) -> int:
    """Compute the CRC-32C of the bytes of ``values`` in C order."""
    return int(_crc32c(np.ascontiguousarray(values)))


def tap_file(name: str) -> str:
    """Return ``name`` if it may name an array on disk; raise ``StorageError`` otherwise."""
    if not _TAP.fullmatch(name) or name == "digest":
        raise StorageError(
            f"tap {name!r} cannot name an array: letters, digits and . _ : @ - are allowed, "
            "and 'digest' is taken; tap a module of another name"
        )
    return name


def label(name: str) -> str:
    """Return ``name`` if it may label a model or a study; raise ``StorageError`` otherwise."""
    if not _NAME.fullmatch(name) or len(name) > 80:
        raise StorageError(
            f"name {name!r} is not usable: at most 80 letters, digits, spaces and . _ - + ( ), "
            "starting with a letter, digit or _"
        )
    return name


def slug(name: str) -> str:
    """Reduce ``name`` to lower-case letters, digits and dashes, for files and Prefect keys."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
