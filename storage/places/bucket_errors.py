"""Messages for a bucket's errors: the URL, the cause and the remedy."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from seelike.storage.errors import StorageError, Unreachable

ENDPOINTS = (
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
)
CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_REFUSED = re.compile(r"status code: 40[13]\b")
_CODE = re.compile(r"<Code>(\w+)</Code>")
# Errors of clients that found no credentials and asked the cloud's metadata service.
_NOBODY = re.compile(r"/latest/|token request|Account must be specified")


def check_environment() -> None:
    """Raise ``StorageError`` for an endpoint in the environment that is no URL."""
    for name in ENDPOINTS:
        value = os.environ.get(name, "")
        if value and not re.match(r"https?://[^/]", value):
            raise StorageError(f"{name} is {value!r}; expected http://… or https://…")


def plain_http() -> bool:
    """Whether an endpoint in the environment is plain http."""
    return any(os.environ.get(name, "").startswith("http://") for name in ENDPOINTS)


@contextmanager
def saying(url: str) -> Iterator[None]:
    """Turn errors of the bucket of ``url`` into a ``StorageError`` of one line."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise _explained(url, str(error)) from error


def _explained(url: str, said: str) -> StorageError:
    scheme, _, rest = url.partition("://")
    bucket = rest.partition("/")[0]
    code = _CODE.search(said)
    if not bucket:
        return StorageError(f"{url!r} names no bucket; expected {scheme}://BUCKET/PREFIX")
    if _NOBODY.search(said):
        return StorageError(
            f"{url}: there are no credentials in the environment; set {CREDENTIALS[scheme]}"
        )
    if code and code[1] in ("NoSuchBucket", "ContainerNotFound"):
        return StorageError(f"{url}: bucket {bucket!r} does not exist; make it, or name another")
    if _REFUSED.search(said):
        why = f" ({code[1]})" if code else ""
        return StorageError(
            f"{url}: access is refused{why}; check {CREDENTIALS[scheme]}, and their rights"
        )
    line = said.partition("\n")[0]
    return Unreachable(f"{url} can't be reached: {line}; check the endpoint and the network")
