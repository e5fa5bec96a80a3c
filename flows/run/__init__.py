"""What all flows share: an opened study, failures of single models, errors."""
