"""What is on disk: image sets in; recordings, signatures, comparisons and reports out."""
