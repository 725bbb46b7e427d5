"""From a search path to a running module, and to its end."""
