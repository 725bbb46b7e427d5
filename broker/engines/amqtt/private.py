"""The private names of amqtt: overridden and used by the classes of this package."""

from __future__ import annotations

from dskity.bus.base.foreign import Library, names_of

AMQTT = Library(
    "amqtt",
    ("0.12.1", "0.12.1"),
    "set `broker.engine: mosquitto`",
    (
        *names_of(
            "amqtt.broker:Broker",
            {
                "_initialize_client_session": "checks the password before a session is touched",
                "_authenticate": "leaves that check to us, and offline queues on",
                "_sessions": "resumes a session ([MQTT-3.1.2-4])",
                "_delete_session": "discards a session ([MQTT-3.1.2-6])",
                "_client_message_loop": "handles what came before DISCONNECT",
                "_handle_subscription": "distinguishes a SUBSCRIBE from a connect",
                "_del_subscription": "replaces a subscription ([MQTT-3.8.4-3])",
                "_publish_retained_messages_for_subscription": "leaks none to other clients",
                "_subscriptions": "finds the filters of a topic among ten thousand",
                "_matches": "matches a topic with a filter",
                "_topic_filtering": "asks the users' rules",
                "_handle_message_delivery": "goes on with a client after a publish to `$…`",
                "_broadcast_message": "bounds what is read and not sent on",
                "_broadcast_queue": "the same",
                "_broadcast_loop": "a supervised task",
                "_session_monitor": "the same",
                "_run_broadcast": "sends each message once, at the lower QoS ([MQTT-3.8.4-6])",
                "_get_handler": "the connection of a session",
                "_retain_broadcast_message": "bounds the queue of an absent client",
                "_publish_session_retained_messages": "sends them without RETAIN ([MQTT-3.3.1-9])",
            },
        ),
        *names_of(
            "amqtt.mqtt.protocol.broker_handler:BrokerProtocolHandler",
            {
                "_handle_qos1_message_flow": "keeps a message until PUBACK, over connections",
                "_handle_qos2_message_flow": "keeps a message until PUBCOMP, over connections",
                "_retry_deliveries": "sends it again ([MQTT-4.4.0-1])",
                "_handle_message_flow": "the same",
                "_send_packet": "sends the packets of these handshakes",
            },
        ),
        *names_of(
            "amqtt.adapters:StreamWriterAdapter",
            {"_writer": "cuts a client off that reads nothing"},
        ),
    ),
)
LIBRARIES = (AMQTT,)
AMQTT.check()
