"""What is remembered of hosts and sessions, and what runs now."""
