"""Connections that are held open: for each a supervisor, its master, its tunnels, its heartbeat."""
