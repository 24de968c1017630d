"""The pure core: told everything (bytes, the time), answers with plain data, does no I/O."""
