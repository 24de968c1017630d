"""config.toml: the settings there are, reading them, and where each stands."""
