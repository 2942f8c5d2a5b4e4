# kms: static, as nsm is, with an mbedTLS of its own that has TLS, which libnsmc's files use here, too.

KMS_O := $(call objects,K,$(KMS_C) $(LIBNSM_C))
OBJECTS += $(KMS_O)

K_LIBS = $(patsubst %,$(K)/deps/kmstls/lib/libmbed%.a,tls x509 crypto) \
	$(addprefix $(K)/deps/,yyjson/lib/libyyjson.a llhttp/lib/libllhttp.a cbor/lib/libcbor.a musl/lib/libc.a libgcc.a \
	musl/lib/crtn.o)
LINK_K = $(XCC) $(LDFLAGS_ALL) -o $@ $(K)/deps/musl/lib/rcrt1.o $(K)/deps/musl/lib/crti.o $(parts) $(K_LIBS)

$(K)/obj/nsm/es384.o: private OPT = -O2 -fomit-frame-pointer

$(B)/kms.debug: $(KMS_O)
	$(call link,$(LINK_K))

# The library: as libnsmc.a is, with libnsmc inside. What is in both it and kms is compiled once, and shows nothing in a
# shared library.
LIBKMSC_O := $(call objects,K,$(KMS_LIB_C) $(KMS_BELOW_C) $(LIBNSM_C))
$(LIBKMSC_O): private PIC = $(KEYS_PIC)
$(B)/libkmsc.a: FIRST = (nsmc|kmsc)_
$(B)/libkmsc.a: INSIDE = $(filter-out $(K)/deps/musl/% %/libgcc.a,$(K_LIBS))
$(B)/libkmsc.a: %.a: $(LIBKMSC_O)
	$(whole)

$(B)/libkmsc.pc: nsm/kms/libkmsc.pc.in FORCE
	$(pc)

# As it is installed: nsmc.h lies beside it.
$(B)/kmsc.h: nsm/kms/kmsc.h
	@mkdir -p $(@D)
	@sed 's|"nsm/nsmc.h"|"nsmc.h"|' $< >$@
