"""What `dskity validate`, `list` and `doctor` find out without starting anything.

Layout, lowest first:

    survey.py       the modules that there are, and what is wrong with them
    meanings.py     what a finding about a broker means
    promises.py     what routes declare, and whether a broker lets it hold
"""
