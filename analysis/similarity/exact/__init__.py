"""CKA over all images at once, out of core, with permutation nulls."""
