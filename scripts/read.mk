# What reads sources and programs: lint, fmt, size, the database for clangd.

C_FILES = $(sort $(wildcard $(addsuffix /*.[ch],init init/* nsm nsm/* nsm/*/* vsock vsock/* vsock/relay/* rootfs rootfs/* rootfs/pack/* \
	scripts tests tests/*)))
C_SHIPPED = $(MAIN_C) $(LIB_C) $(NSM_MORE_C) $(filter-out $(NSM_C),$(COMPAT_C)) $(TOOL_C)
SCRIPTS = $(filter-out %.mk,$(shell grep -lE '^\#! ?/usr/bin/env bash|shellcheck shell' \
	scripts/* scripts/hooks/* tests/* $$(find tests/*/run -type f) nsm/*.bash-completion nsm/*/*.bash-completion \
	rootfs/pack/*.bash-completion vsock/relay/*.bash-completion .ci/* 2>/dev/null))

# gcc 12 believes that no other file's function fills in what a pointer names.
ANALYZE = $(if $(IS_CLANG),,-fanalyzer \
	-Wno-analyzer-use-of-uninitialized-value)
# 2030, 2031: a variable that a subshell changes for itself is meant to keep its value outside.
lint:
	$(call need,clang-tidy cppcheck shellcheck)
	$(Q)clang-tidy --quiet -p $(BUILD) $(C_SHIPPED) $(PACK_OWN_C) $(RELAY_OWN_C) $(KMS_OWN_C) $(API_OWN_C)
	$(Q)cppcheck --quiet --inline-suppr --error-exitcode=1 --std=c11 -I. \
		--enable=warning,performance,portability $(C_SHIPPED) \
		$(PACK_OWN_C) $(RELAY_OWN_C) $(KMS_OWN_C) $(API_OWN_C)
	$(Q)for f in $(C_SHIPPED); do $(XCC) $(filter-out -MMD -MP,$(CFLAGS_ALL)) \
		-DENCLAVE_INIT_VERSION='""' $(ANALYZE) -Werror -c -o /dev/null $$f || \
		exit 1; done
	$(Q)shellcheck -x -e SC2030,SC2031 $(SCRIPTS)

size:
	$(Q)$(CROSS)size -t $(MAIN_O) $(LIB_O)
	$(Q)echo 'the largest symbols, bytes:'
	$(Q)$(CROSS)nm -St d --size-sort -r $(B)/init.debug | head -n 25 | \
		awk '{ printf "%7d %s %s\n", $$2, $$3, $$4 }'
	$(Q)$(CROSS)size $(B)/init; stat -c '%s bytes: %n' $(B)/init

quote = $(subst ",\",$(1))
# clang-tidy is a clang that wants to be asked twice for -ftrivial-auto-var-init.
compdb:
	@mkdir -p $(BUILD)
	$(file >$(BUILD)/compile_commands.json,[)
	$(foreach f,$(filter-out tests/unit/% tests/fuzz/% tests/lang/%,$(filter %.c,$(C_FILES))),$(file \
	>>$(BUILD)/compile_commands.json,{"directory":"$(CURDIR)"$(comma)"file":"$(f)"$(comma)"command":"$(call \
	quote,$(if $(filter rootfs/pack/% vsock/relay/%,$(f)),$(PK_CC) $(filter-out -ftrivial%,$(PACK_CFLAGS)),$(XCC) \
	$(filter-out -ftrivial%,$(if $(filter nsm/kms/% nsm/api/% tests/bench_kms.c,$(f)),$(KEYS_CFLAGS),$(CFLAGS_ALL))))) -DENCLAVE_INIT_VERSION=\"\\\"\\\"\" -c $(f)"}$(comma)))
	@sed -i '$$s/,$$/\n]/' $(BUILD)/compile_commands.json
