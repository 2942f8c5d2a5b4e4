# nsm, and the libraries: libnsmc and, by AWS's names, libnsm.

TOOL_O := $(call objects,B,$(TOOL_C))
LIBNSM_O := $(call objects,B,$(LIBNSM_C))
COMPAT_O := $(call objects,B,$(COMPAT_C))
# Of shared libraries: what is shown is for the version script to say.
SO_O := $(LIBNSM_C:%.c=$(B)/so/%.o)
COMPAT_SO_O := $(COMPAT_C:%.c=$(B)/so/%.o)
OBJECTS += $(TOOL_O) $(LIBNSM_O) $(COMPAT_O) $(SO_O) $(COMPAT_SO_O)

# Private, here and elsewhere: what is asked for first must not decide what flags says.
# libnsmc.a may become part of a shared library, and shows nothing there. The tool is a program.
$(B)/obj/nsm/%.o: private PIC = -fPIC -fvisibility=hidden
$(B)/obj/nsm/tool/%.o: private PIC = -fPIE
$(B)/so/%.o: private PIC = -fPIC
# Nearly all of a verification is in there.
$(B)/obj/nsm/es384.o $(B)/so/nsm/es384.o: private OPT = -O2 -fomit-frame-pointer

$(B)/so/%.o: %.c $(B)/flags $(B)/deps.stamp
	$(call compile,$(XCC) $(CFLAGS_ALL))

$(B)/nsm.debug: $(TOOL_O) $(LIBNSM_O)
	$(call link,$(LINK_TARGET))

# One object, of which all but the names that begin with nsmc_ (AWS's: nsm_) is its
# own: an application may link another libcbor and mbedTLS beside it. FIRST: how names that
# are shown begin; INSIDE: the libraries in it.
WHOLE = $(B)/obj/$(notdir $*)
define whole
$(call note,AR)
@mkdir -p $(@D) $(dir $(WHOLE))
$(Q)$(CROSS)nm -g --defined-only $^ | LC_ALL=C sort -k3 | \
	awk '$$3 ~ /^$(FIRST)/ { print $$3 }' >$(WHOLE).names
$(Q)$(XCC) -nostdlib -r -Wl,--gc-sections -o $(WHOLE).o \
	$$(sed 's/^/-Wl,-u,/' $(WHOLE).names) $^ $(INSIDE)
$(Q)$(CROSS)objcopy --strip-unneeded -R .comment \
	--keep-global-symbols=$(WHOLE).names $(WHOLE).o
$(Q)rm -f $@ && $(CROSS)ar rcsD $@ $(WHOLE).o
endef
$(B)/libnsmc.a: $(LIBNSM_O)
$(B)/compat/lib/libnsm.a: $(COMPAT_O)
$(B)/libnsmc.a: FIRST = nsmc_
$(B)/compat/lib/libnsm.a: FIRST = nsm_
$(B)/libnsmc.a $(B)/compat/lib/libnsm.a: INSIDE = $(filter $(DEPS)/mbedtls/% $(DEPS)/cbor/%,$(LIBS))
$(B)/libnsmc.a $(B)/compat/lib/libnsm.a: %.a:
	$(whole)

# Like the archives they ask the program's C library, musl or glibc, for what both
# have, and name none: SO_LIBS=-lc does, for who packs them for one of both.
SO_LIBS ?=
SO_LINK = $(XCC) -shared -nostdlib -Wl,--gc-sections,--build-id=none,--hash-style=gnu \
	-Wl,-z,relro,-z,now,-z,noexecstack,-z,text,--fatal-warnings $(SO_LDFLAGS)
$(B)/libnsmc.so.0: $(SO_O) nsm/libnsmc.map
$(B)/compat/lib/libnsm.so.0: $(COMPAT_SO_O) nsm/compat/libnsm.map
$(B)/libnsmc.so.0 $(B)/compat/lib/libnsm.so.0:
	$(call note,LD)
	@mkdir -p $(@D)
	$(Q)$(SO_LINK) -Wl,-soname,$(@F),--version-script,$(filter %.map,$^) -o $@ \
		$(filter %.o,$^) $(filter $(DEPS)/mbedtls/% $(DEPS)/cbor/%,$(LIBS)) \
		$(SO_LIBS) $(DEPS)/libgcc.a
	$(Q)$(CROSS)strip -s -R .comment $@

# A prefix, as installed, for those who look for AWS's.
$(B)/compat/lib/libnsm.so: $(B)/compat/lib/libnsm.so.0 $(B)/compat/lib/libnsm.a nsm/compat/nsm.h
	@mkdir -p $(B)/compat/include
	@cp nsm/compat/nsm.h $(B)/compat/include
	@ln -sfn libnsm.so.0 $@

# Made anew for another PREFIX.
define pc
@mkdir -p $(@D)
@sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|' \
	$< >$@.$$$$; \
cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@
endef
$(B)/libnsmc.pc: nsm/libnsmc.pc.in FORCE
	$(pc)
