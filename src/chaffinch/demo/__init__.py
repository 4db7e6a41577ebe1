"""A small dataset with planted faults, and the count of planted against found."""
