"""What a probed host said, and what it means."""
