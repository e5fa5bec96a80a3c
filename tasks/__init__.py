"""The steps: each reads storage, calls analysis and writes storage; Prefect and Dask live here."""

if __name__ == "tasks":
    raise ModuleNotFoundError(
        "'tasks' is imported as 'seelike.tasks' since seelike 0.2.0; "
        "replace `from tasks` by `from seelike.tasks`",
        name="tasks",
    )
