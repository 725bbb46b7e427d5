"""The provider registry: values that modules offer to handlers and to other modules, by type.

Layout, lowest first:

    ping.py       asks a provided value whether it is well
    provision.py  one offer: made once, pinged, closed
    registry.py   all offers of a runtime
    handle.py     one module's access to the registry
"""
