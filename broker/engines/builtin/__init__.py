"""The built-in broker: MQTT 5 and 3.1.1 on the core that the memory transport uses.

timers.py       callbacks at moments of a clock
output.py       what a connection asks of its socket
states.py       which packets may come when
server.py       what all connections share: sessions, wills, passwords
outgoing.py     messages on their way to one client
incoming.py     messages on their way from one client
subscribing.py  SUBSCRIBE and UNSUBSCRIBE
connection.py   one client's connection, without I/O
tcp.py          connections over TCP
websocket_frames.py  WebSocket without I/O
websocket.py    connections over WebSocket
listener.py     the ports, and how many strangers they hold
engine.py       the broker as an engine
"""
