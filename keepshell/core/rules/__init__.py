"""Idle rules, the ladder of keepalives, and what is done about each rule."""
