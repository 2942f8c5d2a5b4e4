"""This machine's nitro-cli, where it has one: images that it builds with AWS's init and with ours. No part of make test."""
