"""The fault tests: system calls of init's that fail."""
