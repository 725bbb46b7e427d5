"""amqtt in our own process, keeping MQTT's rules."""

from dskity.broker.engines.amqtt import private as private  # checks the installed version
