module enclave-init/tests/peers/http

go 1.19
