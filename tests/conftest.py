"""Fixtures that tests of several packages share."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness

# A busy machine must not fail a property.
hypothesis.settings.register_profile("seelike", deadline=None)
hypothesis.settings.load_profile("seelike")

TESTS = Path(__file__).parent
# Folders and files whose tests run flows, servers, browsers or processes of their own.
INTEGRATION = (
    *("benchmarks", "documents", "flows", "objects", "pages", "serving"),
    *("test_public_face.py", "test_wheel.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark integration tests, which `make test-fast` leaves out."""
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in INTEGRATION:
            item.add_marker("integration")


@pytest.fixture(scope="session")
def server() -> Iterator[None]:
    """One Prefect server for all flows of a test process: starting one takes ten seconds."""
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield
