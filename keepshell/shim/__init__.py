"""`exec` and `shim`: calls of ssh by scripts and tools, kept alive."""
