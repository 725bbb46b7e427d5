"""Who may call the HTTP and gRPC APIs, and what those share."""
