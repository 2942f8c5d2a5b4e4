"""Images for tests."""
