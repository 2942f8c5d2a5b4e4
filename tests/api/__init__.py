"""The tests of the local API."""
