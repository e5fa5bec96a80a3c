"""How steps run: Dask, threads, cancellation, retries, progress, memory back-off."""
