"""The tests of mkeif, which makes enclave images of container images."""
