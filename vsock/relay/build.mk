# relay: static, for machines of any distribution, with mkeif's musl and cJSON, and llhttp.

RELAY_O := $(call objects,PK,$(RELAY_C))
OBJECTS += $(RELAY_O)

# Small rather than fast: it waits for enclaves. Private: mkeif's objects have other flags.
$(PK)/obj/vsock/%.o $(PK)/obj/nsm/opts.o: private PK_CFLAGS += -Os -fomit-frame-pointer \
	-fno-asynchronous-unwind-tables -fno-unwind-tables

$(B)/relay.debug: $(RELAY_O)
	$(call link,$(PK_CC) $(PACK_LDFLAGS) -o $@ $^ $(addprefix $(PACK_DEPS)/,cjson/lib/libcjson.a llhttp/lib/libllhttp.a musl/lib/libc.a \
		libgcc.a musl/lib/crtn.o))
