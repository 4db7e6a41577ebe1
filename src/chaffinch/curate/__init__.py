"""What people decide: events, the state they add up to, tagging."""
