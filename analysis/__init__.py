"""The science: networks, similarity and figures. No Prefect, no files."""

if __name__ == "analysis":
    raise ModuleNotFoundError(
        "'analysis' is imported as 'seelike.analysis' since seelike 0.2.0; "
        "replace `from analysis` by `from seelike.analysis`",
        name="analysis",
    )
