"""The two streams: modes and prompts shown, keys typed, echo withheld."""
