"""One file for each group of endpoints. A route decodes, calls, and encodes.

Each has a function `routes(…)` that makes a router of what it is given. What a token may do by HTTP
is what it may do over MQTT: `/kv` and `/commands` ask whether it may publish the bus request that
does the same, such as `{root}/kv/put`, or subscribe to what tells the same.
"""
