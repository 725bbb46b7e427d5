"""The parts of a runtime, put together and held."""
