"""The check of the prose: words and phrases that a reader would stumble over, and what to write.

words.toml  the rules, also shown as the word list in CONTRIBUTING.md
rules.py    reads them, finds them in a text, makes the word list
markdown.py the prose of a page
source.py   the prose of a Python file: docstrings and messages
"""
