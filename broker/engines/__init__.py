"""The brokers that we run: where they listen, and how they are kept running."""
