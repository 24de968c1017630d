"""What `scripts/demo` runs: an SSH server that cuts idle clients, and two clients that idle."""
