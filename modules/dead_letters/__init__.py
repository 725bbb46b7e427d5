"""Dead letters kept on the disk, where they can be listed, read, sent back and dropped.

Layout, lowest first:

    letter.py    one dead letter          bounds.py    how much is kept
    store.py     the file
    recorder.py    what arrives, into it    requests.py  what is asked of it over the bus
    module.py    the module `dead-letters`
"""
