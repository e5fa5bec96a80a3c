"""What a person runs: one flow a question, the study that asks it, and the command line."""

from flows.telemetry import switch_off

# Here, because it has to come before any module of this room imports Prefect.
switch_off()
