# relay: static, for machines of any distribution, with mkeif's musl and cJSON, and llhttp.

RELAY_O := $(call objects,PK,$(RELAY_C))
OBJECTS += $(RELAY_O)

# Small rather than fast: it waits for enclaves. Private: mkeif's objects have other flags.
$(PK)/obj/vsock/%.o $(PK)/obj/nsm/opts.o $(PK)/obj/nsm/near.o: private PK_CFLAGS += -Os -fomit-frame-pointer \
	-fno-asynchronous-unwind-tables -fno-unwind-tables

# What a forward needs with its part of musl, then the rest: the kernel maps pages of a program by 16, and so an idle
# relay has a third of them less.
RELAY_FIRST_O := $(call objects,PK,$(RELAY_FIRST:%=vsock/relay/%.c) $(filter-out $(RELAY_OWN_C),$(RELAY_C)))
RELAY_LIBC = $(addprefix $(PACK_DEPS)/,musl/lib/libc.a libgcc.a)

$(B)/relay.debug: $(RELAY_O)
	$(call link,$(PK_CC) $(PACK_LDFLAGS) -o $@ $(RELAY_FIRST_O) $(RELAY_LIBC) $(filter-out $(RELAY_FIRST_O),$^) \
		$(addprefix $(PACK_DEPS)/,cjson/lib/libcjson.a llhttp/lib/libllhttp.a) $(RELAY_LIBC) $(PACK_DEPS)/musl/lib/crtn.o)
