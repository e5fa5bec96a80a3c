"""The work pool and the automations that a Prefect server needs to run studies."""

from pathlib import Path

import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.workers.process import ProcessWorker

POOL = "local"


def ensure_pool(api: str) -> None:
    """Create the work pool for this machine's processes on the server at ``api``, if new."""
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        try:
            client.read_work_pool(POOL)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            client.create_work_pool(
                WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template)
            )


def ensure_automations(api: str, file: Path) -> None:
    """Create the automations of ``file`` that the server at ``api`` lacks; none without a file."""
    if not file.is_file():
        return
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        for content in yaml.safe_load(file.read_text())["automations"]:
            automation = AutomationCore.model_validate(content)
            if not client.read_automations_by_name(automation.name):
                client.create_automation(automation)
