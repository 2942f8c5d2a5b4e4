"""The tests of the tool nsm."""
