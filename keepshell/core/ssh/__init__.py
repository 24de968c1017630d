"""ssh's command line, and the words in it."""
