"""The wire by mqttium (extra `fast`)."""
