"""The namespace tests: the test build as PID 1 of a jail."""
