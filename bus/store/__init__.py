"""What the bus keeps on the disk: queues of messages, and keys that were seen."""
