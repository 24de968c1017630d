"""Whether the host answers, and how a shell that outlived its connection is reached again."""
