"""What can go wrong, one file a cause. Each scenario takes its size and an empty folder."""
