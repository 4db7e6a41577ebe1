"""The stages in order: scan, duplicates, leaks; progress and resume. Formats no output."""
