"""DSkity: an event-driven message-bus runtime centred on MQTT.

Layout; the four folders below `dskity/` are imported under this name and know nothing of it:

    bus/        the language: messages, topics, the bus, transports
    broker/     the wire: MQTT transports, and the brokers we run
    handlers/   from a message to a Python function
    modules/    the contract, supervision, and the built-in modules
    config/     the settings                 cli/          the command, one file a verb
    wires.py    which client library         client.py     a bus without a runtime
    state_dir.py  what outlives the process  guarding.py   who may pass the doors
    connections.py  one connection's parts   presence.py   the runtime's own state
    core.py     broker and connections       http_client.py  `clients.http_client`
    assembly.py services, built-in modules   readiness.py  what `/health/ready` asks
    runtime.py  holds and closes             banner.py, unknown_modules.py  what a start tells
    bootstrap.py  the composition root       logs.py, heap.py, version.py   of the process
    demo/       the demo and its checks      testing/      the kit for testing modules
"""
