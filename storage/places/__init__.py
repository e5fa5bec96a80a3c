"""Places that keep bytes: a folder of this machine, or a prefix of a bucket."""
