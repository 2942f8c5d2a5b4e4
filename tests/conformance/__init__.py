"""What an init of an enclave has to do, as data, and what tries any init by it: README.md."""
