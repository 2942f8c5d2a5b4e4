# mkeif, a program of the machine that builds.

# mkeif's libraries: Debian's, and ours, whose names stay its own.
PACK_PKGS := libarchive libcjson libssl libp11-kit
PACK_INC := -isystem $(PK)/deps/cbor/include -isystem $(PK)/deps/mbedtls/include \
	-isystem $(PK)/deps/zlib/include -isystem /usr/include/p11-kit-1
PACK_LIBS := $(PK)/deps/mbedtls/lib/libmbedcrypto.a $(PK)/deps/cbor/lib/libcbor.a \
	$(PK)/deps/zlib/lib/libz.a -larchive -lcjson -lcrypto -lp11-kit -pthread \
	-Wl,--exclude-libs,libmbedcrypto.a:libcbor.a:libz.a
PACK_CFLAGS = $(COMMON) $(PACK_INC) -D_FILE_OFFSET_BITS=64 -O2 -g -fPIE \
	-D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
	-fno-common $(WARN) $(HOSTFLAGS)
PACK_LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed,--build-id=none

PACK_O := $(call objects,PK,$(PACK_C))
OBJECTS += $(PACK_O)

$(BUILD)/mkeif: $(PACK_O)
	$(call link,$(HOSTCC) $(PACK_LDFLAGS) -o $@ $^ $(PACK_LIBS))
