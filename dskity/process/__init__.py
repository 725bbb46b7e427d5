"""What belongs to the process: its state on the disk, its log, and its end."""
