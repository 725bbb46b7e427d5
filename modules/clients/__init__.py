"""What modules get as `clients.mqtt` and `clients.events`, and how their handlers are called."""
