"""What `scripts/soak` runs: many sessions for a long time, each byte of them compared."""
