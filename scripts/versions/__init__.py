"""The tests of the transports with the lowest and the newest allowed versions of the libraries."""
