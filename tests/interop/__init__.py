"""The interoperability tests: the library against what others wrote."""
