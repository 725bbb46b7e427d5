"""The wire by aiomqtt."""
