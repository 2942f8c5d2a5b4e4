# relay's files, in the order of the link, and what it has of others.

RELAY := main tool options target value watch log_command status_command stop listen \
	follow statuses channel control report link wait show json print log lines status
RELAY_OWN_C := $(RELAY:%=vsock/relay/%.c)
RELAY_C := $(RELAY_OWN_C) vsock/sock.c vsock/io.c $(UTF8_C) $(OPTS_C)

# Bytes that it may have: scripts/check-static.
RELAY_MAX := 114688

VERSION_C += vsock/relay/main.c
