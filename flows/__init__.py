"""Entry points: one flow per question, the study file, and the command line."""

from seelike.old_names import refuse

refuse(__name__)

from seelike.flows.run.telemetry import switch_off  # noqa: E402

# Before any module of this package imports Prefect.
switch_off()
