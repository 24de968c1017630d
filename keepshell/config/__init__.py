"""config.toml: which settings there are, reading them, and where each was set."""
