# mkeif: static, for machines of any distribution, and fast rather than small.

PACK_DEPS := $(PK)/deps
PACK_CFLAGS = $(COMMON) -nostdinc -isystem $(PACK_DEPS)/musl/include \
	$(patsubst %,-isystem $(PACK_DEPS)/%/include,libarchive zlib bzip2 lz4 zstd xz cjson openssl p11kit packtls cbor llhttp) \
	-isystem $(PACK_DEPS)/cc -idirafter $(PACK_DEPS)/uapi -O2 -g -fPIE -ffunction-sections -fdata-sections \
	$(GCC_HARDEN) $(ATOMICS_$(ARCH)) $(WARN) $(HOSTFLAGS)
PACK_LDFLAGS = $(LINK_$(ARCH)) -nostdlib -static-pie -Wl,--gc-sections,--build-id=none \
	-Wl,--hash-style=gnu,-z,text,-z,relro,-z,now,-z,noexecstack,--fatal-warnings $(RELR_$(ARCH)) \
	$(PACK_DEPS)/musl/lib/rcrt1.o $(PACK_DEPS)/musl/lib/crti.o
PACK_LIBS = $(addprefix $(PACK_DEPS)/,libarchive/lib/libarchive.a zlib/lib/libz.a bzip2/lib/libbz2.a lz4/lib/liblz4.a \
	zstd/lib/libzstd.a xz/lib/liblzma.a cjson/lib/libcjson.a openssl/lib/libcrypto.a p11kit/lib/libp11kit.a \
	packtls/lib/libmbedcrypto.a cbor/lib/libcbor.a musl/lib/libc.a libgcc.a musl/lib/crtn.o)

# With sanitizers, and for fuzzing: with Debian's libraries where it has them, and with others that it has not, whose
# names stay the program's own. Of libarchive what is called alone, since the shared one brings ICU and libxml2, and a start
# of mkeif with all of them takes half as long again. What it decompresses with are libraries that it depends on, without
# their packages for developers.
TEST_PACK_PKGS := libarchive libcjson libssl
TEST_PACK_INC := $(patsubst %,-isystem $(HP)/deps/%/include,cbor packtls zlib p11kit)
TEST_PACK_LIBS := $(addprefix $(HP)/deps/,packtls/lib/libmbedcrypto.a cbor/lib/libcbor.a p11kit/lib/libp11kit.a) \
	-l:libarchive.a $(HP)/deps/zlib/lib/libz.a -l:libbz2.so.1.0 -l:liblz4.so.1 -l:libzstd.so.1 -l:liblzma.so.5 \
	-lcjson -l:libcrypto.a -pthread

PACK_O := $(call objects,PK,$(PACK_C))
OBJECTS += $(PACK_O)

$(B)/mkeif.debug: $(PACK_O)
	$(call link,$(PK_CC) $(PACK_LDFLAGS) -o $@ $^ $(PACK_LIBS))

# The one that runs here.
ifeq ($(ARCH),$(MACHINE))
$(BUILD)/mkeif: $(B)/mkeif
	$(Q)cp $< $@.new && mv $@.new $@
else
$(BUILD)/mkeif: FORCE
	$(Q)$(MAKE) --no-print-directory ARCH=$(MACHINE) $@
endif
