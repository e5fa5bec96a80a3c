"""A prefix of a bucket as a place for bytes: S3, Google Cloud Storage, Azure."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
from obstore.store import from_url
from zarr.core.buffer import BufferPrototype
from zarr.storage import ObjectStore as ZarrObjectStore

from seelike.storage.places.bucket_errors import check_environment, plain_http, saying
from seelike.storage.places.bucket_lock import STALE, ObjectLock

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

SCHEMES = ("s3", "gs", "az")

_REQUESTS = 8
# A group exists when this object of it does.
_LAST = "zarr.json"


@dataclass(frozen=True)
class Bucket:
    """A ``Place`` in a bucket; keys follow the URL's own prefix.

    Credentials and the endpoint come from the environment.
    """

    url: str

    def __reduce__(self) -> tuple[Callable[[str], "Bucket"], tuple[str]]:
        return Bucket, (self.url,)

    @property
    def at_once(self) -> int:
        """Number of parallel requests, which hide a bucket's latency."""
        return _REQUESTS

    @cached_property
    def _client(self) -> "ObjectStore":
        """Client for large objects: waits long, and survives minutes without a server."""
        return _client(self.url, seconds=120, retries=10, retry_seconds=180)

    @cached_property
    def _brief(self) -> "ObjectStore":
        """Client for checks and locks, where a late answer is useless: at most 20 s in all."""
        return _client(self.url, seconds=5, retries=3, retry_seconds=6)

    def check(self) -> None:
        """Raise ``StorageError`` where the bucket cannot be reached or read."""
        with saying(self.url):
            check_environment()
            next(iter(obstore.list(self._brief, chunk_size=1)), None)

    def exists(self, key: str) -> bool:
        """Whether there is an object ``key``."""
        with saying(self.url):
            try:
                obstore.head(self._client, key)
            except FileNotFoundError:
                return False
            return True

    def names(self, key: str) -> list[str]:
        """Names of objects and prefixes directly below ``key``."""
        with saying(self.url):
            found = obstore.list_with_delimiter(self._client, prefix=key or None)
        paths = [*found["common_prefixes"], *(one["path"] for one in found["objects"])]
        return [path.rpartition("/")[2] for path in paths]

    def size(self, key: str) -> int:
        """Bytes of the object ``key``, and of those below it."""
        with saying(self.url):
            return sum(one["size"] for one in self._below(key))

    def read(self, key: str) -> bytes | None:
        """Content of an object; None where it does not exist."""
        content = self._get(key)
        return None if content is None else bytes(content)

    def read_into(self, key: str, buffer: memoryview) -> bool:
        """Fill ``buffer`` from the beginning of an object."""
        content = self._get(key)
        if content is None or content.nbytes < buffer.nbytes:
            return False
        buffer[:] = content[: buffer.nbytes]
        return True

    def prefetch(self, key: str) -> None:
        """Do nothing: a bucket has no cache to fill."""

    def write(self, key: str, content: bytes | memoryview | Path) -> None:
        """Put an object in one request, so that it exists whole or not at all."""
        with saying(self.url):
            # A multipart upload that is killed leaves invisible parts, which cost money.
            obstore.put(self._client, key, content, use_multipart=False)

    def write_all(self, contents: Iterable[tuple[str, bytes | memoryview | Path]]) -> None:
        """Put objects in parallel; the first error is raised when all are done."""
        with ThreadPoolExecutor(_REQUESTS) as pool:
            done = [pool.submit(self.write, key, content) for key, content in contents]
        for one in done:
            one.result()

    def remove(self, key: str) -> None:
        """Delete the object ``key`` and those below it, a group's metadata first."""
        with saying(self.url):
            paths = {one["path"] for one in self._below(key)}
            last = f"{key}/{_LAST}"
            if last in paths:
                obstore.delete(self._client, last)
                paths.remove(last)
            if paths:
                obstore.delete(self._client, list(paths))

    @contextmanager
    def atomic_group(self, key: str) -> Iterator[Path]:
        """Context of a temporary folder, put below ``key`` after the block, the metadata last."""
        with tempfile.TemporaryDirectory(prefix="seelike-") as folder:
            draft = Path(folder) / "draft"
            yield draft
            self.remove(key)  # Leftovers of a run that was killed here.
            files = {p.relative_to(draft).as_posix(): p for p in draft.rglob("*") if p.is_file()}
            last = files.pop(_LAST)
            self.write_all((f"{key}/{name}", path) for name, path in files.items())
            self.write(f"{key}/{_LAST}", last)

    def zarr_store(self, key: str) -> "ZarrGroup":
        """Read-only Zarr store of the group below ``key``."""
        return ZarrGroup(f"{self.url}/{key}")

    @contextmanager
    def lock(self, name: str, *, wait: float = -1, stale: float = STALE) -> Iterator[None]:
        """Hold a lock, kept as an object; a killed holder's is free after ``stale`` seconds."""
        with ObjectLock(self._brief, name, url=self.url, stale=stale).held(wait=wait):
            yield

    def free_bytes(self) -> None:
        """Return None: a bucket has no limit."""
        return

    def _get(self, key: str) -> memoryview | None:
        with saying(self.url):
            try:
                return memoryview(obstore.get(self._client, key).bytes())
            except FileNotFoundError:
                return None

    def _below(self, key: str) -> Iterator[Any]:
        """The object ``key`` and all below it."""
        with suppress(FileNotFoundError):
            yield obstore.head(self._client, key)
        for found in obstore.list(self._client, prefix=key, chunk_size=1000):
            yield from found


class ZarrGroup(ZarrObjectStore[Any]):
    """A Zarr group in a bucket that raises the bucket's errors as ``StorageError``."""

    def __init__(self, url: str) -> None:
        super().__init__(Bucket(url)._client, read_only=True)
        self.url = url

    def __reduce__(self) -> tuple[Callable[[str], "ZarrGroup"], tuple[str]]:
        return ZarrGroup, (self.url,)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: Any = None) -> Any:
        """Bytes of an object; None where it does not exist."""
        with saying(self.url):
            return await super().get(key, prototype, byte_range)


def _client(url: str, *, seconds: float, retries: int, retry_seconds: float) -> "ObjectStore":
    """Client of the bucket: ``seconds`` per request, ``retries`` in at most ``retry_seconds``."""
    options: ClientConfig = {
        "allow_http": plain_http(),
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=seconds),
    }
    retry: RetryConfig = {
        "max_retries": retries,
        "retry_timeout": timedelta(seconds=retry_seconds),
        "backoff": {
            "init_backoff": timedelta(milliseconds=200),
            "max_backoff": timedelta(seconds=15),
            "base": 2,
        },
    }
    with saying(url):
        return from_url(url, client_options=options, retry_config=retry)
