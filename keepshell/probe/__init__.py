"""Asking a host for its idle timers, and trying them out."""
