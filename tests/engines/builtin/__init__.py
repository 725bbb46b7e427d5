"""The built-in broker: packet by packet, attacked, and on its ports."""
