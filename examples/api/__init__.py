"""One runnable example for each group of public names; `docs/reference/python.md` shows them."""
