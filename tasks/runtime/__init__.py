"""Running steps: Dask, threads, cancellation, retries, progress, memory back-off."""
