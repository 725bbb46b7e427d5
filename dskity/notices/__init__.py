"""What a start says about the settings and the choices made."""
