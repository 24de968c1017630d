"""The relay: a child in a pty, the user's terminal, and the only wait."""
