"""What a person runs: one flow per question, the study that asks it, and the command line."""

if __name__ == "flows":
    raise ModuleNotFoundError(
        "'flows' is imported as 'seelike.flows' since seelike 0.2.0; "
        "replace `from flows` by `from seelike.flows`",
        name="flows",
    )

from seelike.flows.run.telemetry import switch_off

# Before any module of this package imports Prefect.
switch_off()
