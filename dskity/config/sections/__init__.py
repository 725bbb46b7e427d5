"""The sections of the settings, one file a topic; the text below a key is its description."""
