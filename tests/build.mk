# The programs of the tests, init and nsm with seams among them.

SEAMS_O := $(call objects,B,$(SEAMS_C))
SEAMS_TEST_O := $(call objects,B,$(SEAMS_TEST_C))
MUTANT_O := $(call objects,B,$(MUTANT_C))
MISTAKEN_O := $(call objects,B,$(MISTAKEN_C))
TOOL_TEST_O := $(call objects,B,$(TOOL_TEST_C))
APPS_O := $(call objects,B,$(APPS_C))
UNIT_O := $(call objects,B,$(UNIT_C))
BENCH_O := $(call objects,B,tests/bench_link.c tests/bench_relay.c)
B_LIB_O := $(call objects,B,$(LIB_C) $(NSM_MORE_C) nsm/tool/code.c)
OBJECTS += $(SEAMS_TEST_O) $(MUTANT_O) $(MISTAKEN_O) $(TOOL_TEST_O) $(APPS_O) $(UNIT_O) $(BENCH_O) $(B_LIB_O)

H_LIB_O := $(call objects,H,$(LIB_C) $(NSM_MORE_C) nsm/tool/code.c)
H_TOOL_O := $(call objects,H,$(TOOL_C) $(TOOL_TEST_C))
H_PACK_O := $(call objects,H,$(PACK_C))
H_RELAY_O := $(call objects,H,$(filter-out vsock/sock.c vsock/relay/flow/sandbox.c,$(RELAY_C)) $(RELAY_SEAM_C))
# What kms and api have but for their own files, and the device; with sanitizers, vsock, too.
K_LIB_O := $(call objects,K,$(filter-out nsm/dev.c,$(LIBNSM_C)) $(KMS_LIB_C) $(KMS_BELOW_C) $(OPTS_C) $(KMS_SEAM_C))
KEYS_LIB_C := $(filter-out nsm/dev.c vsock/sock.c,$(LIBNSM_C) $(KMS_LIB_C) $(KMS_BELOW_C) $(OPTS_C)) $(KMS_SEAM_C) tests/relay/sock.c
KEYS_MORE_C := $(filter-out %/main.c,$(API_OWN_C) $(API_BELOW_C) $(KMS_TOOL_C)) $(API_SEAM_C)
OBJECTS += $(K_LIB_O) $(call objects,HK,$(KEYS_LIB_C) $(KMS_TOOL_C) $(API_OWN_C) $(API_BELOW_C) $(API_SEAM_C) $(KMS_UNIT_C) tests/kms/caller.c tests/kms/primes.c tests/kms/wiped.c tests/kms/wire.c) \
	$(call objects,FK,$(KEYS_LIB_C) $(KEYS_MORE_C) $(KMS_FUZZ_C))
INJECT_O := $(call objects,H,$(INJECT_C))
JAIL_O := $(call objects,H,$(JAIL_C))
OBJECTS += $(H_LIB_O) $(H_TOOL_O) $(H_PACK_O) $(H_RELAY_O) $(INJECT_O) $(JAIL_O) \
	$(call objects,H,$(UNIT_C) $(PACK_UNIT_C) $(RELAY_UNIT_C) $(INTEROP_C))

FZ_LIB_O := $(call objects,FZ,$(FUZZ_LIB_C))
FZ_PACK_O := $(call objects,FZ,$(filter-out rootfs/pack/main.c,$(PACK_C)))
FZ_RELAY_O := $(call objects,FZ,$(filter-out vsock/relay/main.c,$(RELAY_C)))
OBJECTS += $(FZ_LIB_O) $(FZ_PACK_O) $(FZ_RELAY_O) $(call objects,FZ,$(FUZZ_C) $(PACK_FUZZ_C) $(RELAY_FUZZ_C))

RELAY_TEST_LIBS := -lcjson $(HP)/deps/llhttp/lib/libllhttp.a

APPS_X := $(APPS:%=$(B)/apps/%)
B_UNIT_X := $(UNIT:%=$(B)/unit/%)
H_UNIT_X := $(UNIT:%=$(H)/unit/%)
PACK_UNIT_X := $(PACK_UNIT:%=$(H)/unit/%)
FUZZ_X := $(FUZZ:%=$(FZ)/%)
PACK_FUZZ_X := $(PACK_FUZZ:%=$(FZ)/%)
RELAY_UNIT_X := $(RELAY_UNIT:%=$(H)/unit/%)
RELAY_FUZZ_X := $(RELAY_FUZZ:%=$(FZ)/%)
KMS_UNIT_X := $(KMS_UNIT:%=$(H)/unit/%)
KMS_FUZZ_X := $(KMS_FUZZ:%=$(FZ)/%)
INTEROP_X := $(INTEROP:%=$(H)/interop/%)
# Those of another architecture do not run here.
UNIT_X := $(H_UNIT_X) $(if $(filter $(MACHINE),$(ARCH)),$(B_UNIT_X))
TEST_X := $(APPS_X) $(B)/hello $(B)/test/init $(B)/test/nsm $(H)/nsm $(H)/jail $(H)/inject $(B)/test/mutant $(B)/test/mistaken \
	$(H)/mkeif $(H)/relay $(H)/kms $(H)/api $(H)/kms_caller $(H)/kms_wiped $(H)/kms_wire $(B)/test/kms $(B)/test/kms-near $(B)/test/api $(B)/bench_relay $(INTEROP_X)

# --- On the target's libraries --------------------------------------------------

$(B)/test/init: $(MAIN_O) $(filter-out $(SEAMS_O),$(LIB_O)) $(SEAMS_TEST_O)
$(B)/test/mutant: $(MAIN_O) $(filter-out $(SEAMS_O),$(LIB_O)) $(SEAMS_TEST_O) $(MUTANT_O)
# Private: what it is made of has other flags.
$(B)/test/mutant: private LDFLAGS_ALL += $(MUTANT:%=-Wl,--wrap=%)
$(B)/test/mistaken: $(MAIN_O) $(LIB_O) $(MISTAKEN_O)
$(B)/test/mistaken: private LDFLAGS_ALL += $(MISTAKEN:%=-Wl,--wrap=%)
$(B)/test/nsm: $(TOOL_O) $(filter-out $(SEAMS_O),$(LIBNSM_O)) $(TOOL_TEST_O)
$(APPS_X): $(B)/apps/%: $(B)/obj/tests/apps/%.o $(B)/libnsmc.a
$(B)/apps/clock: $(call objects,B,$(addprefix init/clock/,ptp.c clock.c))
$(B)/apps/group: $(call objects,B,$(addprefix rootfs/,cgroup.c protect.c file.c tree.c number.c))
$(B)/hello: $(B)/obj/tests/apps/hello.o
$(B_UNIT_X): $(B)/unit/%: $(B)/obj/tests/unit/%_test.o $(B)/lib.a
# To sign with; host's has it already.
$(B_UNIT_X): CURVE = $(DEPS)/mbedtls/lib/libmbedcurve.a
$(B)/test/init $(B)/test/mutant $(B)/test/mistaken $(B)/test/nsm $(APPS_X) $(B)/hello $(B_UNIT_X):
	$(call link,$(LINK_TARGET))

# --- On this machine's, with sanitizers -------------------------------------------

$(H_UNIT_X): $(H)/unit/%: $(H)/obj/tests/unit/%_test.o $(H)/lib.a
$(INTEROP_X): $(H)/interop/%: $(H)/obj/tests/interop/%.o $(H)/lib.a
# With the same device as the one above.
$(H)/nsm: $(H_TOOL_O) $(H)/lib.a
$(H_UNIT_X) $(INTEROP_X) $(H)/nsm:
	$(call link,$(LINK_HOST) $(SAN_STATIC) $(HOST_LIBS))

# Run the test build in namespaces: programs of this machine.
$(H)/jail: $(JAIL_O)
$(H)/inject: $(INJECT_O)
$(H)/jail $(H)/inject:
	$(call link,$(LINK_HOST) $(SAN_STATIC))

$(H)/mkeif: $(H_PACK_O)
$(PACK_UNIT_X): $(H)/unit/%: $(H)/obj/tests/unit/%_test.o $(filter-out %/pack/main.o,$(H_PACK_O))
# Whether mkeif refuses what init does.
$(H)/unit/executable: $(call objects,H,init/program.c init/text.c rootfs/file.c)
$(H)/mkeif $(PACK_UNIT_X):
	$(call link,$(LINK_HOST) $(SAN_STATIC) $(TEST_PACK_LIBS))

$(H)/relay: $(H_RELAY_O)
$(RELAY_UNIT_X): $(H)/unit/%: $(H)/obj/tests/unit/%_test.o $(filter-out %/relay/main.o,$(H_RELAY_O))
$(H)/relay $(RELAY_UNIT_X):
	$(call link,$(LINK_HOST) $(RELAY_TEST_LIBS))

# --- kms and api --------------------------------------------------------------------

NEAR_PRIMES := -Wl,--wrap=mbedtls_mpi_gen_prime
OBJECTS += $(call objects,K,tests/kms/primes.c)
$(B)/test/kms: $(call objects,K,$(KMS_TOOL_C) tests/kms/primes.c) $(K_LIB_O)
$(B)/test/api: $(call objects,K,$(API_OWN_C) $(API_BELOW_C) tests/kms/primes.c) $(K_LIB_O)
# The tool as shipped, for enclaves, but for the primes.
$(B)/test/kms-near: $(call objects,K,$(KMS_TOOL_C) tests/kms/primes.c nsm/dev.c) $(filter-out %/tests/kms/device.o,$(K_LIB_O))
$(B)/test/kms $(B)/test/kms-near $(B)/test/api: private LDFLAGS_ALL += $(NEAR_PRIMES)
# Calls of libkmsc as shipped, with a clock around what they are made of.
BENCH_KMS := dev_exchange nsmc_recipient_attest nsmc_recipient_open tls_connect exchange_open exchange_send \
	exchange_receive request_head
OBJECTS += $(call objects,K,tests/bench_kms.c)
$(B)/bench_kms: $(call objects,K,tests/bench_kms.c) $(K_LIB_O)
$(B)/bench_kms: private LDFLAGS_ALL += $(BENCH_KMS:%=-Wl,--wrap=%)
$(B)/test/kms $(B)/test/kms-near $(B)/test/api $(B)/bench_kms:
	$(call link,$(LINK_K))

# Tests take of these what they need: two files of the tool and the API may have one name.
$(HK)/lib.a: $(call objects,HK,$(KEYS_LIB_C))
$(HK)/kms.a: $(call objects,HK,$(filter-out %/main.c,$(KMS_TOOL_C)))
$(HK)/api.a: $(call objects,HK,$(filter-out %/main.c nsm/api/base/sandbox.c,$(API_OWN_C) $(API_BELOW_C)) $(API_SEAM_C))
$(FK)/lib.a: $(call objects,FK,$(KEYS_LIB_C))
$(FK)/kms.a: $(call objects,FK,$(filter-out %/main.c,$(KMS_TOOL_C)))
$(FK)/api.a: $(call objects,FK,$(filter-out %/main.c nsm/api/base/sandbox.c,$(API_OWN_C) $(API_BELOW_C)) $(API_SEAM_C))
$(foreach t,HK FK,$(patsubst %,$($(t))/%.a,lib kms api)):
	$(call note,AR)
	$(Q)rm -f $@ && ar rcsD $@ $(parts)

keys_libs = $(patsubst %,$($(1))/deps/kmstls/lib/libmbed%.a,tls x509 crypto) \
	$(addprefix $($(1))/deps/,yyjson/lib/libyyjson.a llhttp/lib/libllhttp.a cbor/lib/libcbor.a)

$(H)/kms: $(call objects,HK,nsm/kms/tool/main.c tests/kms/primes.c) $(HK)/kms.a $(HK)/lib.a
$(H)/api: $(call objects,HK,nsm/api/main.c tests/kms/primes.c) $(HK)/api.a $(HK)/lib.a
$(KMS_UNIT_X): $(H)/unit/%: $(HK)/obj/tests/unit/%_test.o $(HK)/api.a $(HK)/kms.a $(HK)/lib.a
# One call of the library, for tests in Python; and the same that looks at memory which is freed.
$(H)/kms_caller: $(call objects,HK,tests/kms/caller.c tests/kms/primes.c) $(HK)/lib.a
$(H)/kms $(H)/kms_caller $(H)/api: private SAN_STATIC += $(NEAR_PRIMES)
$(H)/kms_wiped: $(call objects,HK,tests/kms/caller.c tests/kms/primes.c tests/kms/wiped.c) $(HK)/lib.a
$(H)/kms_wiped: private SAN_STATIC += $(NEAR_PRIMES) -Wl,--wrap=free
$(H)/kms_wire: $(call objects,HK,tests/kms/wire.c) $(HK)/lib.a
$(H)/kms $(H)/api $(H)/kms_caller $(H)/kms_wiped $(H)/kms_wire $(KMS_UNIT_X):
	$(call link,$(LINK_HOST) $(SAN_STATIC) $(call keys_libs,HK))

# clang has the linker show the names of its sanitizers, and gold warns of those that no other file may see.
define link_fuzz
$(call link,$(LINK_FUZZ) $(1) 2>$@.said || { cat $@.said >&2; exit 1; })
$(Q)grep -v 'warning: Cannot export local symbol' $@.said >&2; rm $@.said
endef

$(KMS_FUZZ_X): $(FZ)/%: $(FK)/obj/tests/fuzz/%_fuzz.o $(FK)/api.a $(FK)/kms.a $(FK)/lib.a
	$(call link_fuzz,$(call keys_libs,FK))

$(HK)/obj/%.o: private HOST_INC = $(call keys_inc,HK,cbor kmstls yyjson llhttp)
$(FK)/obj/%.o: private FUZZ_INC = $(call keys_inc,FK,cbor kmstls yyjson llhttp)
$(HK)/obj/nsm/es384.o: private HOST_CFLAGS += -O2

$(H)/obj/nsm/es384.o $(H)/obj/tests/interop/es384_32.o: private HOST_CFLAGS += -O2

# --- Fuzzers -----------------------------------------------------------------------

$(FUZZ_X): $(FZ)/%: $(FZ)/obj/tests/fuzz/%_fuzz.o $(FZ)/lib.a
	$(call link_fuzz,$(FUZZ_LIBS))

$(PACK_FUZZ_X): $(FZ)/%: $(FZ)/obj/tests/fuzz/%_fuzz.o $(FZ_PACK_O)
	$(call link_fuzz,$(TEST_PACK_LIBS))

$(RELAY_FUZZ_X): $(FZ)/%: $(FZ)/obj/tests/fuzz/%_fuzz.o $(FZ_RELAY_O)
	$(call link_fuzz,$(RELAY_TEST_LIBS))

# --- What several of them share ------------------------------------------------------

$(B)/lib.a: $(B_LIB_O)
$(H)/lib.a: $(H_LIB_O)
$(FZ)/lib.a: $(FZ_LIB_O)
$(B)/lib.a: AR = $(CROSS)ar
$(H)/lib.a $(FZ)/lib.a: AR = ar
$(B)/lib.a $(H)/lib.a $(FZ)/lib.a:
	$(call note,AR)
	$(Q)rm -f $@ && $(AR) rcsD $@ $(parts)

# Tests of mkeif, and it with sanitizers, see its libraries.
$(H)/obj/rootfs/pack/%.o $(call objects,H,$(PACK_UNIT_C)): private HOST_INC = $(TEST_PACK_INC)
$(FZ)/obj/rootfs/pack/%.o $(call objects,FZ,$(PACK_FUZZ_C)): private FUZZ_INC = $(TEST_PACK_INC)
$(H_PACK_O) $(call objects,H,$(PACK_UNIT_C)): $(HP)/deps.stamp
$(FZ_PACK_O) $(call objects,FZ,$(PACK_FUZZ_C)): $(HP)/deps.stamp
# And relay its cJSON, which is Debian's, and llhttp, of which Debian 12 has none.
RELAY_TEST_INC := -isystem $(HP)/deps/llhttp/include
$(H)/obj/vsock/relay/wire/%.o: private HOST_INC = $(RELAY_TEST_INC)
$(FZ)/obj/vsock/relay/wire/%.o: private FUZZ_INC = $(RELAY_TEST_INC)
$(H_RELAY_O) $(FZ_RELAY_O) $(call objects,H,$(RELAY_UNIT_C)) $(call objects,FZ,$(RELAY_FUZZ_C)): $(HP)/deps.stamp

# libnsmc as others link it, with glibc, beside OpenSSL; and what it does not show.
$(H)/bench_verify: tests/bench_verify.c $(B)/libnsmc.a $(B)/obj/nsm/es384.o
	$(call need,libssl-dev)
	$(call link,$(HOSTCC) -O2 -I. $(WARN) -Wl$(comma)--wrap=malloc$(comma)--wrap=calloc$(comma)--wrap=realloc \
		-o $@ $(parts) -lcrypto)

# The log's files as shipped, on musl.
$(B)/bench_link: $(B)/obj/tests/bench_link.o $(B)/lib.a
# What loads relay, here and in a guest.
$(B)/bench_relay: $(B)/obj/tests/bench_relay.o
$(B)/bench_link $(B)/bench_relay:
	$(call link,$(LINK_TARGET))

# Another list of files or another flag of these rules links anew: no file that is older than a program says so.
$(sort $(TEST_X) $(UNIT_X) $(PACK_UNIT_X) $(RELAY_UNIT_X) $(KMS_UNIT_X) $(FUZZ_X) $(PACK_FUZZ_X) $(RELAY_FUZZ_X) $(KMS_FUZZ_X) \
	$(B)/lib.a $(H)/lib.a $(FZ)/lib.a $(foreach t,HK FK,$(patsubst %,$($(t))/%.a,lib kms api))): tests/build.mk
