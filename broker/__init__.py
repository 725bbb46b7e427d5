"""The wire: MQTT transports, and the brokers that we run.

Layout, lowest first; each imports only from those above it (import-linter holds the rooms):

    url.py, tls.py, limits.py, settings.py   how to reach a broker, and who we are there
    reasons.py, backoff.py, users.py         reason codes in words, delays, users of our brokers
    wire.py        what one connection of one library must do
    patience.py    how long an acknowledgement may take
    packets/       PUBLISH, decoded and encoded; acknowledgements in order
    connection/    one connection, kept alive, with its subscriptions in place
    probe/         what a broker really does
    apart.py       a connection of its own for messages that may end one
    transport.py   MqttTransport: an intake and a control connection
    aiomqtt/       the transport by aiomqtt
    engines/       the brokers that we run (rumqttd: extra `rumqttd`)

Importing this package imports none of it: a wire library is loaded by who uses it.
"""
