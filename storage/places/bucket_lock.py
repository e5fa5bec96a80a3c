"""A lock in a bucket: an object that its holder renews while it holds the lock.

A bucket does not know whether a process is alive, so the holder renews the object, and whoever sees
the same object for ``STALE`` seconds takes it over. Both write on the condition that the object is
still the one they saw, which the bucket decides; no clocks are compared.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from seelike.storage.errors import StorageError, being_written
from seelike.storage.places.bucket_errors import saying

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# Seconds without a sign of life after which a holder counts as killed.
STALE = 60.0
# Seconds between two checks of a lock that another run holds.
_LOOK = 0.5


class ObjectLock:
    """Lock ``name`` in a bucket, for one holder at a time; ``url`` is for messages."""

    def __init__(self, client: "ObjectStore", name: str, *, url: str, stale: float) -> None:
        self._client = client
        self._key = f"locks/{name}.lock"
        self._name, self._url = name, url
        self._stale = stale
        # One object is one holder: two threads of a process take turns as well.
        self._holder = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"
        self._version: Any = None
        self._beats = 0

    @contextmanager
    def held(self, *, wait: float = -1) -> Iterator[None]:
        """Hold the lock during the block; wait for it at most ``wait`` seconds (-1: for ever).

        Raises:
            StorageError: Another holder kept it for longer; or, after the block, another run took
                it over because this one seemed dead.
        """
        with saying(self._url):
            self._take(wait)
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(ended,), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            ended.set()
            renewing.join()
            kept = self._release()
        if not kept:
            raise StorageError(
                f"{self._name[:12]} in {self._url} was taken over by another run, since this one "
                f"gave no sign of life for {self._stale:.0f} s; run the study again"
            )

    def _take(self, wait: float) -> None:
        asked = since = time.monotonic()
        seen: Any = None
        while not self._put("create"):
            found, now = self._found(), time.monotonic()
            if found is None:
                continue  # Given back meanwhile.
            if found != seen:
                seen, since = found, now
            elif now - since >= self._stale and self._put(found):
                return
            if 0 <= wait <= now - asked:
                raise being_written(self._name, self._url)
            time.sleep(min(_LOOK, self._stale / 4))

    def _renew(self, ended: threading.Event) -> None:
        """Renew the object until the holder has ended or another one has taken over."""
        while not ended.wait(self._stale / 4):
            # Transient errors are retried by the client, and at the next turn.
            with suppress(BaseError):
                if not self._put(self._version):
                    return

    def _release(self) -> bool:
        """Release the lock; False where this holder no longer had it."""
        try:
            if not self._put(self._version):
                return False
            obstore.delete(self._client, self._key)
        except BaseError:
            pass  # Unreachable: the lock becomes stale by itself.
        return True

    def _put(self, mode: Any) -> bool:
        """Write the object if it is as ``mode`` requires; True if this holder has it now."""
        self._beats += 1
        content = json.dumps({"holder": self._holder, "beat": self._beats}).encode()
        try:
            put = obstore.put(self._client, self._key, content, mode=mode)
        except (AlreadyExistsError, PreconditionError):
            # Possibly our own write: a request whose answer was lost is sent again.
            found = self._found()
            return found is not None and found == self._version
        except FileNotFoundError:
            if mode == "create":
                raise  # There is no bucket.
            return False
        self._version = _version(put)
        return True

    def _found(self) -> Any:
        """Version of the object, None without one; remembers the version of our own."""
        try:
            got = obstore.get(self._client, self._key)
            content = json.loads(bytes(got.bytes()))
        except FileNotFoundError:
            return None
        version = _version(got.meta)
        if content["holder"] == self._holder:
            self._version = version
        return version


def _version(meta: Any) -> dict[str, str]:
    """Version of an object, as conditional requests take it."""
    return {key: meta[key] for key in ("e_tag", "version") if meta.get(key) is not None}
