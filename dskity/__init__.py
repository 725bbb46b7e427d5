"""DSkity: an event-driven message-bus runtime centred on MQTT.

Layout; the four folders below `dskity/` are imported under this name and know nothing of it:

    bus/        the language: messages, topics, the bus, transports
    broker/     the wire: MQTT transports, and the brokers we run
    handlers/   from a message to a Python function
    modules/    the contract, supervision, and the built-in modules
    config/     the settings                 cli/          the command, one file a verb
    client.py   a bus without a runtime      heap.py       the garbage collector at a start
    core.py     broker, connection and bus   assembly.py   services and built-in modules
    bootstrap.py  the composition root       runtime.py    holds and closes
    demo/       the demo and its checks      testing/      the kit for testing modules
"""
