"""Deploy a study to a Prefect server, to run on demand or on a schedule."""

import asyncio
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow
from prefect.settings import PREFECT_API_URL
from pydantic import ValidationError

from seelike.flows.errors import StudyError
from seelike.flows.run.telemetry import OFF
from seelike.flows.study.study import Study

# automations.yaml relies on the tags and the heartbeats.
TAGS = ["seelike", "compare"]
ENVIRONMENT = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30", **OFF}


def deploy(study: Study, *, cron: str | None, pool: str, queue: str | None) -> str:
    """Deploy ``compare`` of a study to the Prefect server at PREFECT_API_URL.

    Runs start in the current folder. A deployment of the same name is replaced.

    Args:
        study: The study.
        cron: When to run, in UTC, as a cron line; on demand only if None.
        pool: Name of the work pool.
        queue: Name of a work queue of the pool; the pool's own if None.

    Returns:
        The name of the deployment.

    Raises:
        StudyError: No server answers, it has no such work pool, or ``cron`` is not a cron line.
    """
    address = PREFECT_API_URL.value()
    if not address:
        raise StudyError(
            "no address of a Prefect server; set PREFECT_API_URL, for `seelike serve` to "
            "http://127.0.0.1:4200/api"
        )
    _check_cron(cron)
    try:
        # Prefect's own client tries for most of a minute.
        httpx.get(f"{address}/health", timeout=10)
    except httpx.TransportError as error:
        raise StudyError(
            f"no Prefect server answers at PREFECT_API_URL {address}; start one with "
            f"`seelike serve`, or name another ({error})"
        ) from error
    asyncio.run(_deploy(study, cron=cron, pool=pool, queue=queue))
    return f"compare/{study.name}"


def _check_cron(cron: str | None) -> None:
    try:
        CronSchedule(cron=cron or "0 0 * * *")
    except ValidationError as error:
        raise StudyError(
            f"--cron {cron!r} is not a cron line; write one like '0 2 * * *'"
        ) from error


async def _deploy(study: Study, *, cron: str | None, pool: str, queue: str | None) -> UUID:
    async with get_client() as client:
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound as error:
            there = ", ".join(one.name for one in await client.read_work_pools()) or "none"
            raise StudyError(
                f"work pool {pool!r} is not on {client.api_url}, there are: {there}; "
                "name one with --pool"
            ) from error
    # By module, so that any folder will do in which the package can be imported.
    flow = await Flow.afrom_source(
        source=str(Path.cwd()), entrypoint="seelike.flows.compare.compare"
    )
    deployment = await flow.ato_deployment(
        name=study.name,
        work_queue_name=queue,
        job_variables={"env": ENVIRONMENT},
        cron=cron,
        parameters={"study": study.model_dump(mode="json", exclude_unset=True)},
        tags=TAGS,
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
        ),
    )
    return await deployment.aapply(work_pool_name=pool)
