"""Whether the host answers."""
