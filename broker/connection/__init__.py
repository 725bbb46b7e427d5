"""One connection to a broker, kept alive, with its subscriptions in place."""
