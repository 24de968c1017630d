"""A session whose shell outlives its connection."""
