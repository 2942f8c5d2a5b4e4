# The trees of objects, below build/, by one template:
#
#   B   ARCH/    init, nsm, libnsmc, their tests on musl
#   H   host/    the same code and mkeif with sanitizers, on glibc
#   FZ  fuzz/    fuzzers of both
#   PK  ARCH/pack/  mkeif
#   K   ARCH/keys/  kms and api, with an mbedTLS that has TLS
#   HK  host/keys/  the same with sanitizers
#   FK  fuzz/keys/  and for fuzzing
#   HP  host/pack/  no objects: the libraries of mkeif with sanitizers and of its fuzzers
#
# Of each there are: the compiler, its flags, what else makes objects stale, the words for scripts/deps, the last of
# the libraries that it makes, and Debian's packages.

B := $(BUILD)/$(ARCH)
H := $(BUILD)/host
FZ := $(BUILD)/fuzz
PK := $(B)/pack
HP := $(H)/pack
K := $(B)/keys
HK := $(H)/keys
FK := $(FZ)/keys
DEPS := $(B)/deps
MBEDTLS_CONFIGS := nsm/mbedtls_config.h nsm/kms/mbedtls_config.h rootfs/pack/mbedtls_config.h

B_CC = $(XCC)
B_CFLAGS = $(CFLAGS_ALL)
B_MORE = $(LDFLAGS_ALL) $(shell cat $(wildcard scripts/$(ARCH).ld) /dev/null | cksum)
B_TOOLS = $(ARCH) $(CC)

H_CC = $(HOSTCC)
H_CFLAGS = $(HOST_CFLAGS)
H_TOOLS = host $(HOSTCC)

FZ_CC = $(FUZZ_CC)
FZ_CFLAGS = $(FUZZ_CFLAGS)
FZ_TOOLS = host $(FUZZ_CC)

B_LAST := mbedtls
H_LAST := mbedtls
FZ_LAST := mbedtls

K_CC = $(XCC)
K_CFLAGS = $(KEYS_CFLAGS)
K_MORE = $(B_MORE) $(KEYS_PIC)
K_TOOLS = $(ARCH) $(CC) kms
K_LAST := kmstls

HK_CC = $(HOSTCC)
HK_CFLAGS = $(HOST_CFLAGS)
HK_TOOLS = host $(HOSTCC) kms
HK_LAST := kmstls

FK_CC = $(FUZZ_CC)
FK_CFLAGS = $(FUZZ_CFLAGS)
FK_TOOLS = host $(FUZZ_CC) kms
FK_LAST := kmstls

# Of gcc, whatever CC is.
PK_CC = $(if $(CROSS),$(CROSS)gcc,$(HOSTCC))
PK_CFLAGS = $(PACK_CFLAGS)
PK_MORE = $(PACK_LDFLAGS)
PK_TOOLS = $(ARCH) $(if $(CROSS),gcc,$(HOSTCC)) mkeif
PK_LAST := openssl

HP_CC = $(HOSTCC)
HP_TOOLS = pack $(HOSTCC)
HP_LAST := llhttp
HP_PKGS = $(TEST_PACK_PKGS:%=%-dev)

# $(call objects,TREE,SOURCES): where they are compiled to; their headers are then known.
objects = $(2:%.c=$($(1))/obj/%.o)

define link
$(call note,LD)
@mkdir -p $(@D)
$(Q)$(1)
endef

define compile
$(call note,CC)
@mkdir -p $(@D)
$(Q)$(CCACHE) $(1) $(DEFINE) -c -o $@ $<
endef

# The flags stand in a file that changes with them: another compiler or other flags build anew. Not -Werror, which
# changes no object: two makes may run side by side. The stamp of the libraries is made again when the cache that it
# leads to went away.
define tree
$($(1))/obj/%.o: %.c $($(1))/flags $($(1))/deps.stamp
	$$(call compile,$$($(1)_CC) $$($(1)_CFLAGS))

$($(1))/flags: FORCE
	@mkdir -p $$(@D)
	@command -v $$(firstword $$($(1)_CC)) >/dev/null || scripts/deps --tools $$($(1)_TOOLS)
	@{ echo '$$(filter-out -Werror,$$($(1)_CC) $$($(1)_CFLAGS) $$($(1)_MORE))'; \
		$$(firstword $$($(1)_CC)) --version; } >$$@.$$$$$$$$; \
	cmp -s $$@.$$$$$$$$ $$@ && rm $$@.$$$$$$$$ || mv $$@.$$$$$$$$ $$@

$($(1))/deps.stamp: $($(1))/flags scripts/deps scripts/deps.lock $(MBEDTLS_CONFIGS) \
	$(if $(wildcard $($(1))/deps/$($(1)_LAST)/lib),,FORCE)
	@$$(if $$($(1)_PKGS),bash -c '. scripts/lib.sh; need_packages $$($(1)_PKGS)' &&) \
	dir=$$$$(scripts/deps $$($(1)_TOOLS)) && ln -sfn "$$$$dir" $$(@D)/deps && touch $$@

$(call objects,$(1),$(VERSION_C)): VERSION
$(call objects,$(1),$(VERSION_C)): DEFINE := -DENCLAVE_INIT_VERSION='"$(VERSION)"'
endef
$(foreach t,B H FZ PK HP K HK FK,$(eval $(call tree,$(t))))
