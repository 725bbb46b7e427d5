"""The parts of `Bus`, one for each of its operations.

Layout, lowest first:

    composing.py    a message, checked
    granting.py     what a broker can serve of what a subscription declares
    subscribing.py  how a subscription begins and ends
    asking.py       a request, and its reply
    state.py        what a bus reports of itself
"""
