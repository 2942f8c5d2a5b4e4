# kms: static, as nsm is, with an mbedTLS of its own that has TLS, which libnsmc's files use here, too.

KMS_O := $(call objects,K,$(KMS_C) $(LIBNSM_C))
OBJECTS += $(KMS_O)

K_LIBS = $(patsubst %,$(K)/deps/kmstls/lib/libmbed%.a,tls x509 crypto) \
	$(addprefix $(K)/deps/,yyjson/lib/libyyjson.a llhttp/lib/libllhttp.a cbor/lib/libcbor.a musl/lib/libc.a libgcc.a \
	musl/lib/crtn.o)
LINK_K = $(XCC) $(LDFLAGS_ALL) -o $@ $(K)/deps/musl/lib/rcrt1.o $(K)/deps/musl/lib/crti.o $^ $(K_LIBS)

$(K)/obj/nsm/es384.o: private OPT = -O2 -fomit-frame-pointer

$(B)/kms.debug: $(KMS_O)
	$(call link,$(LINK_K))
