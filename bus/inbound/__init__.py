"""What arrives on one connection, until a consumer has it."""
