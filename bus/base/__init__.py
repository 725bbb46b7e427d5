"""What everything stands on: clocks, tasks, threads, the log, text and JSON from outside."""
