"""The boot tests: real images on emulated machines."""
