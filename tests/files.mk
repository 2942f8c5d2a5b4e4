# The programs of the tests: each file of these folders is one, and here stands what it is linked with.

# Unit tests and fuzzers of mkeif and of relay include their headers; they are linked with all of it, and see its
# libraries.
tests_of = $(patsubst $(1)/%_$(2).c,%,$(wildcard $(1)/*_$(2).c))
tests_with = $(patsubst $(1)/%_$(2).c,%,$(shell grep -l '"$(3)/' $(1)/*_$(2).c))
PACK_UNIT := $(call tests_with,tests/unit,test,rootfs/pack)
RELAY_UNIT := $(call tests_with,tests/unit,test,vsock/relay)
KMS_UNIT := $(sort $(call tests_with,tests/unit,test,nsm/kms) $(call tests_with,tests/unit,test,nsm/api))
UNIT := $(filter-out $(PACK_UNIT) $(RELAY_UNIT) $(KMS_UNIT),$(call tests_of,tests/unit,test))
PACK_FUZZ := $(call tests_with,tests/fuzz,fuzz,rootfs/pack)
RELAY_FUZZ := $(call tests_with,tests/fuzz,fuzz,vsock/relay)
KMS_FUZZ := $(sort $(call tests_with,tests/fuzz,fuzz,nsm/kms) $(call tests_with,tests/fuzz,fuzz,nsm/api))
FUZZ := $(filter-out $(PACK_FUZZ) $(RELAY_FUZZ) $(KMS_FUZZ),$(call tests_of,tests/fuzz,fuzz))

UNIT_C := $(UNIT:%=tests/unit/%_test.c)
PACK_UNIT_C := $(PACK_UNIT:%=tests/unit/%_test.c)
FUZZ_C := $(FUZZ:%=tests/fuzz/%_fuzz.c)
PACK_FUZZ_C := $(PACK_FUZZ:%=tests/fuzz/%_fuzz.c)
RELAY_UNIT_C := $(RELAY_UNIT:%=tests/unit/%_test.c)
KMS_UNIT_C := $(KMS_UNIT:%=tests/unit/%_test.c)
KMS_FUZZ_C := $(KMS_FUZZ:%=tests/fuzz/%_fuzz.c)
RELAY_FUZZ_C := $(RELAY_FUZZ:%=tests/fuzz/%_fuzz.c)

# What the fuzzers of init, nsm and vsock are linked with.
FUZZ_LIB_C := $(LIBNSM_C) $(TEXT_C) $(SPEC_C) $(addprefix init/,notify.c random.c service.c text.c) \
	$(addprefix init/link/,command.c excerpt.c reader.c) \
	$(addprefix rootfs/,bind.c file.c number.c) $(addprefix vsock/,ring.c line.c record.c)

# For images that boot, each with libnsmc.
APPS_C := $(wildcard tests/apps/*.c)
APPS := $(APPS_C:tests/apps/%.c=%)

# The library for tests that are not in C.
INTEROP := verify recipient es384 es384_32 record
INTEROP_C := $(INTEROP:%=tests/interop/%.c)

# What tests replace, at link time, by tests/seams/: the rest is as shipped.
SEAMS_C := $(SEAMS:%=%.c)
SEAMS_TEST_C := $(wildcard tests/seams/*.c)
TOOL_TEST_C := tests/tool/device.c tests/seams/fake_nsm.c

# relay with sanitizers opens no socket of vsock, and has no filter.
RELAY_SEAM_C := tests/relay/sock.c tests/relay/sandbox.c
# kms and api with an NSM that is a socket; with sanitizers, with relay's vsock, too.
KMS_SEAM_C := tests/kms/device.c
# And the API with sanitizers has no filter.
API_SEAM_C := tests/api/sandbox.c
JAIL_C := tests/ns/jail.c
INJECT_C := $(addprefix tests/faults/,inject.c blocking.c callers.c)
MUTANT_C := $(addprefix tests/faults/,mutant.c marks.c)
# The functions around which mutant.c has its mistakes and marks.c its marks.
MUTANT := loopback_up file_set_access cgroup_mount log_line end_failed power_reboot prctl syscall child_fork \
	helper_start end_machine \
	$(addprefix step_,start console spec modules entropy root mounts spawn heartbeat supervise)

# The init with mistakes that the cases of tests/conformance have to find: what is shipped, by --wrap around these.
MISTAKEN_C := $(wildcard tests/conformance/*.c)
MISTAKEN := $(shell sed -n 's/^WRAP(\(.*\));$$/\1/p' tests/conformance/wrap_*.c)
