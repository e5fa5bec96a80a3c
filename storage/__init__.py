"""Data on disk: image sets in; recordings, signatures, comparisons and reports out."""

from seelike.old_names import refuse

refuse(__name__)
