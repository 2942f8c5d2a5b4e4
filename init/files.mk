# init's files, in the order of the link; those of spec/ are mkeif's, too.

INIT := boot step inputs start end loop child helper service member news supervise process cull machine relro \
	console log text \
	$(addprefix spec/,spec codes config config_line config_values config_service config_enclave config_link config_relay config_keys \
		capability signal user) \
	pcr program spec/executable spec/seccomp container check notify report klog modules module power beat \
	clock/clock clock/stamp clock/ptp clock/steer confine vector names stdio exec \
	$(addprefix link/,link serve client reader command excerpt stream sandbox last snapshot) tell beating parent relay relaying random

MAIN_C := init/main.c
INIT_C := $(INIT:%=init/%.c)
SPEC_C := $(filter init/spec/%,$(INIT_C))

VERSION_C += init/main.c init/start.c init/relaying.c
SEAMS += init/link/sandbox init/module init/power init/clock/ptp
