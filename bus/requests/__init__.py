"""Requests that wait for their reply, and where a reply may go."""
