"""Which subscriptions a message is for."""
