# relay's files by room, and what it has of others. First what a forward needs: the link keeps it together.

RELAY_FIRST := main \
	$(addprefix base/,tool options print local target value) \
	$(addprefix plan/,plan conflict route address network) \
	$(addprefix flow/,resolve lookup reach forward service sandbox listener dial place pump pool tally loop notice) \
	$(addprefix run/,worker services drop daemon forward_command)
RELAY := $(RELAY_FIRST) \
	$(addprefix plan/,advice allowlist words hosts fence rules special host) \
	$(addprefix run/,egress_command dns_command proxy_command run_command inside_command text) \
	$(addprefix egress/,egress exit front exchange via refusals) \
	$(addprefix dns/,dns_service ask answer inquiry servers callers messages) \
	$(addprefix network/,tap device) \
	$(addprefix wire/,origin http socks enclaver dns frame filter) \
	$(addprefix monitor/,watch log_command status_command stop listen follow_options follow statuses channel control report \
		link wait show json log lines status)
RELAY_OWN_C := $(RELAY:%=vsock/relay/%.c)
RELAY_C := $(RELAY_OWN_C) vsock/sock.c vsock/io.c vsock/seccomp.c $(TEXT_C) $(OPTS_C)

# What is measured with the image: mkeif reads it as relay does.
PLAN_C := $(filter vsock/relay/plan/%,$(RELAY_OWN_C)) vsock/relay/base/value.c

# Bytes that it may have: scripts/check-static.
RELAY_MAX := 327680

VERSION_C += vsock/relay/main.c vsock/relay/run/inside_command.c
