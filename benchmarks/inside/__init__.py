"""Programs of the other rows, each a process of its own: servers, load, and work in memory."""
