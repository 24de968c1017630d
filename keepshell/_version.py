"""The version, alone, so that the build and `--version` read it without importing anything else."""

VERSION = "0.2.0"
