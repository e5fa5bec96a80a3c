"""What is on disk: image sets in; recordings, signatures, comparisons and reports out."""

if __name__ == "storage":
    raise ModuleNotFoundError(
        "'storage' is imported as 'seelike.storage' since seelike 0.2.0; "
        "replace `from storage` by `from seelike.storage`",
        name="storage",
    )
