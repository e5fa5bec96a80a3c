"""The steps: each reads storage, calls analysis and writes storage; Prefect and Dask live here."""
