"""MQTT packets without I/O: PUBLISH decoded and encoded, and who waits for which
acknowledgement.
"""
