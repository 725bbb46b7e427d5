"""The wire: MQTT transports, and the brokers that we run.

Layout, lowest first; each file imports only from those above it:

    url.py, tls.py, settings.py   how to reach a broker, and who we are there
    reasons.py                    MQTT's reason codes in words
    backoff.py, sizes.py          how long to wait when it fails; the size of a PUBLISH
    framing.py, incoming.py, publish_properties.py, outgoing.py   PUBLISH, decoded and encoded
    window.py                     how many publishes may wait for the broker, in which order
    limits.py                     what our own brokers do not tell
    wire.py, identity.py          what one connection of one library must do, and as whom
    dialect.py                    MQTT 5 or 3.1.1
    subscriptions.py, retained.py, placement.py, overlap.py   what we want, put in place; copies
    nodes.py                      which of several brokers
    trial.py                      what a broker does and does not tell
    patience.py                   how long a publish may be unacknowledged
    apart.py                      a connection of its own for messages that may end it
    rivals.py                     another client with our client id
    connection.py                 keeps one wire alive
    transport.py                  MqttTransport: an intake and a control connection

    sockets.py                    connected sockets, plain or TLS
    acks.py, aiomqtt_*.py         the wire by aiomqtt     → AiomqttTransport
    mqttium_*.py                  the wire by mqttium     → MqttiumTransport (extra `fast`)

    listen.py, users.py, probe.py                where our own brokers listen, who may enter
    child.py, keeper.py, managed.py              a program that is kept running; a broker as one
    unprivileged.py                              the user that it becomes where we are root
    mosquitto*.py, rumqttd*.py                   such brokers (rumqttd: extra `rumqttd`)
    amqtt_*.py, embedded.py                      the broker in our own process
    engine.py                                    which of them it is

    findings.py, visit.py, ground.py, experiments.py, examination.py   what a broker really does

Importing this package imports none of it: a wire library is loaded by who uses it.
"""
