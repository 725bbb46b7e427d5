"""Calls that the APIs allow and refuse: counted, logged, recorded, and slowed down.

Layout, lowest first; each file imports only from those above it:

    counters.py  how many                    call.py     who calls from where, for what
    sources.py   wrong tokens by source      file.py     the audit log on the disk
    access.py    what the APIs report
"""
