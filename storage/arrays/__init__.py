"""Arrays in Zarr, complete batch by batch: recordings, signatures, sketches, datasets."""
