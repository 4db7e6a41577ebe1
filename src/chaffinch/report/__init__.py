"""Findings as text and HTML; computes none."""
