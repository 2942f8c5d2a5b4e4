# relay's files by room, in the order of the link, and what it has of others.

RELAY := main \
	$(addprefix monitor/,watch log_command status_command stop listen follow statuses channel control report link \
		wait show json log lines status) \
	$(addprefix run/,forward_command egress_command dns_command proxy_command run_command inside_command daemon \
		services worker drop) \
	$(addprefix egress/,egress exit front exchange via refusals) \
	$(addprefix dns/,dns_service ask answer inquiry servers callers messages) \
	$(addprefix network/,tap device) \
	$(addprefix flow/,forward service reach resolve lookup sandbox listener dial place pump pool tally loop notice) \
	$(addprefix wire/,origin http socks enclaver dns frame filter) \
	$(addprefix plan/,plan advice allowlist conflict route address network words hosts fence rules special host) \
	$(addprefix base/,tool options print local target value)
RELAY_OWN_C := $(RELAY:%=vsock/relay/%.c)
RELAY_C := $(RELAY_OWN_C) vsock/sock.c vsock/io.c $(UTF8_C) $(OPTS_C)

# What is measured with the image: mkeif reads it as relay does.
PLAN_C := $(filter vsock/relay/plan/%,$(RELAY_OWN_C)) vsock/relay/base/value.c

# Bytes that it may have: scripts/check-static.
RELAY_MAX := 327680

VERSION_C += vsock/relay/main.c vsock/relay/run/inside_command.c
