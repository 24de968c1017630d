"""The system's ssh: where it is, what its configuration says, becoming it."""
