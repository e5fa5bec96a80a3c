"""The science: networks, similarity and figures. No Prefect, no files."""
