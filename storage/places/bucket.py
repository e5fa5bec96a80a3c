"""A prefix of a bucket as the place where bytes are kept: S3, Google Cloud Storage, Azure."""

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
# A group is there when this object of it is.
_LAST = "zarr.json"


@dataclass(frozen=True)
class Bucket:
    """A ``Place`` in a bucket; keys follow the URL's own prefix.

    Who may read and write, and where the bucket is served, the environment says.
    """

    url: str

    def __reduce__(self) -> tuple[Callable[[str], "Bucket"], tuple[str]]:
        return Bucket, (self.url,)

    @property
    def at_once(self) -> int:
        """Requests under way at once: a bucket answers each late, but many together."""
        return _REQUESTS

    @cached_property
    def _client(self) -> "ObjectStore":
        """For the work: waits long for large objects, and outlives minutes without a server."""
        return _client(self.url, seconds=120, retries=10, retry_seconds=180)

    @cached_property
    def _brief(self) -> "ObjectStore":
        """For small objects, where a late answer is as bad as none: at most 20 s in all."""
        return _client(self.url, seconds=5, retries=3, retry_seconds=6)

    def check(self) -> None:
        """Raise ``StorageError`` where the bucket can't be reached, or may not be read."""
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
        """Names of objects, and of what has objects below, directly below ``key``."""
        with saying(self.url):
            found = obstore.list_with_delimiter(self._client, prefix=key or None)
        paths = [*found["common_prefixes"], *(one["path"] for one in found["objects"])]
        return [path.rpartition("/")[2] for path in paths]

    def size(self, key: str) -> int:
        """Bytes of the object ``key``, and of those below it."""
        with saying(self.url):
            return sum(one["size"] for one in self._below(key))

    def read(self, key: str) -> bytes | None:
        """The content of an object; None where there is none."""
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
        """Nothing: a bucket answers many requests at once, but keeps none of them ready."""

    def write(self, key: str, content: bytes | memoryview | Path) -> None:
        """Put an object, in one request: it is there whole or not at all."""
        with saying(self.url):
            # In parts, a run that is killed would leave parts that nobody sees and all pay for.
            obstore.put(self._client, key, content, use_multipart=False)

    def write_all(self, contents: Iterable[tuple[str, bytes | memoryview | Path]]) -> None:
        """Put objects, some at once; an error of one is raised when all are done."""
        with ThreadPoolExecutor(_REQUESTS) as pool:
            done = [pool.submit(self.write, key, content) for key, content in contents]
        for one in done:
            one.result()

    def remove(self, key: str) -> None:
        """Delete the object ``key``, and those below it; a group is no more when that begins."""
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
        """A temporary folder, put below ``key`` after the block, the group's metadata last."""
        with tempfile.TemporaryDirectory(prefix="seelike-") as folder:
            draft = Path(folder) / "draft"
            yield draft
            self.remove(key)  # What a run left that was killed here.
            files = {p.relative_to(draft).as_posix(): p for p in draft.rglob("*") if p.is_file()}
            last = files.pop(_LAST)
            self.write_all((f"{key}/{name}", path) for name, path in files.items())
            self.write(f"{key}/{_LAST}", last)

    def zarr_store(self, key: str) -> "ZarrGroup":
        """The Zarr group below ``key``, to be read."""
        return ZarrGroup(f"{self.url}/{key}")

    @contextmanager
    def lock(self, name: str, *, wait: float = -1, stale: float = STALE) -> Iterator[None]:
        """Hold a lock that is an object; a killed holder's is free after ``stale`` seconds."""
        with ObjectLock(self._brief, name, url=self.url, stale=stale).held(wait=wait):
            yield

    def free_bytes(self) -> None:
        """A bucket has no limit."""
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
    """A Zarr group in a bucket, whose errors are those of the bucket."""

    def __init__(self, url: str) -> None:
        super().__init__(Bucket(url)._client, read_only=True)
        self.url = url

    def __reduce__(self) -> tuple[Callable[[str], "ZarrGroup"], tuple[str]]:
        return ZarrGroup, (self.url,)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: Any = None) -> Any:
        """Bytes of an object, None where there is none."""
        with saying(self.url):
            return await super().get(key, prototype, byte_range)


def _client(url: str, *, seconds: float, retries: int, retry_seconds: float) -> "ObjectStore":
    """What talks to the bucket; ``seconds`` a request, tried again so often and so long."""
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
