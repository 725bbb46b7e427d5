"""amqtt in our own process, keeping MQTT's rules."""
