"""Examples: each folder runs with `python -m examples.<name>` and can be copied."""
