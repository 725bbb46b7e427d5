"""What `scripts/docs` needs to build the site from `docs/`."""
