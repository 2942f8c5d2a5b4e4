"""The tests of the parent's tool relay."""
