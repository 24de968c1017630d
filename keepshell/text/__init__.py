"""Words and templates: how text gets into a message or a script."""
