# make            everything for ARCH=x86_64 (default) or aarch64, CC=gcc (default) or clang
# make help       the other targets
# V=1 shows the commands, WERROR=1 makes warnings errors (CI does).

ARCH ?= x86_64
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
HOSTCC ?= gcc

BUILD := build
B := $(BUILD)/$(ARCH)
H := $(BUILD)/host
DEPS := $(B)/deps
PK := $(BUILD)/pack
VERSION := $(shell cat VERSION)

# --- Sources, by hand ---------------------------------------------------------

MAIN := init/main.c
INIT := boot steps start end loop child helper service member news supervise process cull machine relro console log \
	$(addprefix spec/,spec config config_values config_service config_enclave config_keys capabilities signal user) \
	pcr program spec/seccomp container check notify report klog modules module power beat \
	clock/clock clock/stamp clock/ptp clock/steer confine vector names exec
NSM := dev pool item wire nsm measure entropy
VSOCK := sock io heartbeat
ROOTFS := mounts switch squash bind cgroup protect defaults etc loopback tree file number
LIB := $(INIT:%=init/%.c) $(NSM:%=nsm/%.c) $(VSOCK:%=vsock/%.c) \
	$(ROOTFS:%=rootfs/%.c)

# libnsmc is what PID 1 has of nsm/, but for the pool, and this.
NSM_MORE := error object doc root es384 certificate cache verify policy cms recipient
LIBNSM := $(filter-out nsm/pool.c nsm/entropy.c,$(NSM:%=nsm/%.c)) $(NSM_MORE:%=nsm/%.c)

# What of it verifies documents, on any platform: scripts/libnsmc-verify.
VERIFY := item wire error object doc root es384 certificate cache verify policy
VERIFY_C := $(VERIFY:%=nsm/%.c)

# AWS's libnsm: its nine functions, by what PID 1 has too.
COMPAT := $(addprefix nsm/,compat/compat.c dev.c wire.c item.c)

# The tool: of the rest it sees nsmc.h alone.
TOOL := main tool opts code input message output device pcr verify show \
	x509 recipient
TOOL_C := $(TOOL:%=nsm/tool/%.c)
TOOL_MAX := 460800

# What init and mkeif share: all of init/spec, which is pure.
SPEC_C := $(filter init/spec/%,$(LIB))

# mkeif: a program of the machine that builds.
PACK := main $(addprefix command/,commands build describe describe_json diff diff_json diff_listing extract \
	pcr sign set_init sign_options inputs emit) \
	$(addprefix image/,image source oci docker layer dir skopeo settings digest app check) \
	$(addprefix ramdisk/,ramdisk cpio gzip tar squashfs listing unpack rewrite parts kernel) \
	$(addprefix eif/,eif eif_writer measure metadata pcrs) \
	$(addprefix sign/,signature sign_key key_file token ecdsa cose cert encode ossl) \
	$(addprefix base/,fault escape strings json hash tree spool output cleanup progress slurp)
PACK_C := $(PACK:%=rootfs/pack/%.c) $(SPEC_C) nsm/item.c

# What tests replace, at link time, by tests/seams/: the rest is as shipped.
SEAMS := nsm/dev nsm/pool vsock/sock init/module init/power init/clock/ptp
SEAMS_TEST := seam dev pool sock module power ptp

# tests/unit/NAME_test.c
UNIT := spec wire nsm report klog cgroup modules program log file tree io \
	heartbeat seccomp service loop child helper beat cull exec vector names confine notify measure item cms recipient doc certificate cache verify policy config capabilities signal user bind clock stamp ptp

# tests/unit/NAME_test.c, of rootfs/pack
PACK_UNIT := pack_tree sign eif pack_image hash progress

# tests/interop/NAME.c: the library for tests that are not in C
INTEROP := verify recipient es384 es384_32

APPS := $(patsubst tests/apps/%.c,%,$(sort $(wildcard tests/apps/*.c)))

# --- Compiler and flags -------------------------------------------------------

MACHINE := $(shell uname -m)
TARGET := $(ARCH)-linux-gnu
IS_CLANG := $(findstring clang,$(CC))
ifeq ($(ARCH),$(MACHINE))
XCC := $(CC)
CROSS :=
else
XCC := $(if $(IS_CLANG),$(CC) --target=$(TARGET),$(TARGET)-$(CC))
CROSS := $(TARGET)-
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wwrite-strings \
	-Wvla -Wundef -Wformat=2 -Wswitch-enum -Wnull-dereference \
	-Werror=implicit-function-declaration -Werror=incompatible-pointer-types \
	-Werror=return-type -Werror=format-security \
	$(if $(filter 1,$(WERROR)),-Werror)

HARDEN_x86_64 := -fcf-protection
HARDEN_aarch64 := -mbranch-protection=standard
# The compiler's functions for atomics have no mark for branch targets, and to ask for
# them would take the mark from libnsmc.so and from programs with libnsmc.a.
ATOMICS_aarch64 := -mno-outline-atomics
HARDEN := -fstack-protector-strong -fstack-clash-protection \
	-ftrivial-auto-var-init=zero -fno-common $(HARDEN_$(ARCH))
ifneq ($(IS_CLANG),)
# Up to 15 clang gives zero only to those who insist.
HARDEN += -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang
WARN += -Wno-unknown-warning-option -Wno-unused-command-line-argument
endif

COMMON := -std=gnu11 -D_GNU_SOURCE -I. -MMD -MP -ffile-prefix-map=$(CURDIR)=.
# Only musl's headers, the compiler's and, last, the kernel's.
MUSL := -nostdinc -isystem $(DEPS)/musl/include -isystem $(DEPS)/cbor/include \
	-isystem $(DEPS)/mbedtls/include -isystem $(DEPS)/cc -idirafter $(DEPS)/uapi
# arm64's compilers keep a frame pointer unless told: an instruction a function.
OPT ?= -Os -fomit-frame-pointer
PIC = -fPIE
CFLAGS_ALL = $(COMMON) $(MUSL) $(OPT) -g $(PIC) -ffunction-sections \
	-fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables \
	$(HARDEN) $(ATOMICS_$(ARCH)) $(WARN) $(CFLAGS)

# Code and constants share a segment, which nothing may write: a page less.
SEPARATE ?= noseparate-code
# Relative relocations packed: 3 KiB less. Debian 12's binutils can for x86 only.
RELR_x86_64 := -Wl,-z,pack-relative-relocs
# No enclave runs on a Cortex-A53; the linker's way around its fault takes 4 KiB.
LINK_aarch64 := $(if $(IS_CLANG),,-mno-fix-cortex-a53-843419) \
	-Wl,-z,max-page-size=4096,-T,scripts/aarch64.ld
LDFLAGS_ALL := $(LINK_$(ARCH)) -nostdlib -static-pie -Wl,--gc-sections,--build-id=none \
	-Wl,--hash-style=gnu,-z,text,-z,relro,-z,now,-z,noexecstack \
	-Wl,-z,$(SEPARATE),--fatal-warnings $(RELR_$(ARCH)) $(LDFLAGS)
CRT := $(addprefix $(DEPS)/musl/lib/,rcrt1.o crti.o)
LIBS = $(CURVE) $(DEPS)/mbedtls/lib/libmbedcrypto.a \
	$(DEPS)/cbor/lib/libcbor.a $(DEPS)/musl/lib/libc.a $(DEPS)/libgcc.a \
	$(DEPS)/musl/lib/crtn.o
# To sign with, in unit tests; host's has it already.
$(UNIT:%=$(B)/unit/%): CURVE = $(DEPS)/mbedtls/lib/libmbedcurve.a
HOST_LIBS := $(H)/deps/mbedtls/lib/libmbedx509.a \
	$(H)/deps/mbedtls/lib/libmbedcrypto.a $(H)/deps/cbor/lib/libcbor.a

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

SAN := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
HOST_INC = -isystem $(H)/deps/cbor/include -isystem $(H)/deps/mbedtls/include
HOST_CFLAGS = $(COMMON) $(HOST_INC) -O1 -g -fPIE \
	-D_FORTIFY_SOURCE=2 -fstack-protector-strong $(SAN) $(WARN)

# libFuzzer is clang's, and so are the sanitizers that go with it.
FUZZ := wire cms doc certificate config user notify seccomp service
# Those of rootfs/pack
PACK_FUZZ := oci eif sign ramdisk
F ?= $(FUZZ) $(PACK_FUZZ)
S ?= 60
FZ := $(BUILD)/fuzz
FUZZ_CC := clang
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_INC = -isystem $(FZ)/deps/cbor/include -isystem $(FZ)/deps/mbedtls/include
FUZZ_CFLAGS = $(COMMON) $(FUZZ_INC) -O1 -g -fsanitize=fuzzer-no-link \
	$(FUZZ_SAN) -fno-omit-frame-pointer $(filter-out -Werror,$(WARN)) -Wno-unknown-warning-option
FUZZ_O := $(LIBNSM:%.c=$(FZ)/obj/%.o)
FUZZ_INIT_O := $(SPEC_C:%.c=$(FZ)/obj/%.o) $(addprefix $(FZ)/obj/init/,notify.o service.o) \
	$(addprefix $(FZ)/obj/rootfs/,bind.o file.o number.o)

# --- Objects ------------------------------------------------------------------

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
MAIN_O := $(call obj,$(MAIN))
LIB_O := $(call obj,$(LIB))
TOOL_O := $(call obj,$(TOOL_C))
NSM_MORE_O := $(call obj,$(NSM_MORE:%=nsm/%.c))
LIBNSM_O := $(call obj,$(LIBNSM))
COMPAT_O := $(call obj,$(COMPAT))
# Of shared libraries: what is shown is for the version script to say.
SO_O := $(LIBNSM:%.c=$(B)/so/%.o)
COMPAT_SO_O := $(COMPAT:%.c=$(B)/so/%.o)
SEAMS_O := $(call obj,$(SEAMS:%=%.c))
SEAMS_TEST_O := $(call obj,$(SEAMS_TEST:%=tests/seams/%.c))
INJECT_O := $(patsubst %,$(H)/obj/tests/faults/%.o,inject blocking callers)
MUTANT_O := $(call obj,tests/faults/mutant.c tests/faults/marks.c)
APPS_O := $(call obj,$(APPS:%=tests/apps/%.c))
UNIT_O := $(call obj,$(UNIT:%=tests/unit/%_test.c))
HOST_LIB_O := $(LIB:%.c=$(H)/obj/%.o) $(NSM_MORE:%=$(H)/obj/nsm/%.o)
HOST_UNIT_O := $(UNIT:%=$(H)/obj/tests/unit/%_test.o)
INTEROP_O := $(INTEROP:%=$(H)/obj/tests/interop/%.o)

PACK_O := $(PACK_C:%.c=$(PK)/obj/%.o)
HOST_PACK_O := $(PACK_C:%.c=$(H)/obj/%.o)
FUZZ_PACK_O := $(filter-out %/pack/main.o,$(PACK_C:%.c=$(FZ)/obj/%.o))

TOOL_TEST_O := $(call obj,tests/tool/device.c)
HOST_TOOL_O := $(TOOL_C:%.c=$(H)/obj/%.o) $(H)/obj/tests/tool/device.o

APPS_X := $(APPS:%=$(B)/apps/%)
FUZZ_X := $(FUZZ:%=$(FZ)/%)
PACK_FUZZ_X := $(PACK_FUZZ:%=$(FZ)/%)
PACK_UNIT_X := $(PACK_UNIT:%=$(H)/unit/%)
UNIT_X := $(UNIT:%=$(H)/unit/%) $(if $(filter $(MACHINE),$(ARCH)),$(UNIT:%=$(B)/unit/%))
INTEROP_X := $(INTEROP:%=$(H)/interop/%)
TEST_X := $(APPS_X) $(B)/hello $(B)/test/init $(B)/test/nsm $(H)/nsm \
	$(H)/jail $(H)/inject $(B)/test/mutant $(H)/mkeif $(INTEROP_X)

Q := $(if $(filter 1,$(V)),,@)
note = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $@)
need = @bash -c '. scripts/lib.sh; need_packages $(1)'

export ARCH CC T STRICT WERROR

.PHONY: all nitro-cli emulator run soak faults fuzz test check boot unit interop lang tool pack ns static \
	layers bench lint libnsmc-verify fmt fmt-check \
	size compdb shell install blobs dist repro clean help test-build other-arch FORCE
.DELETE_ON_ERROR:
.SUFFIXES:

## all: build/<arch>/init and nsm, stripped, X.debug beside them; libnsmc.a and .so; build/mkeif (the default)
all: $(B)/init $(B)/nsm $(B)/libnsmc.a $(B)/libnsmc.so.0 $(B)/libnsmc.pc $(B)/compat/lib/libnsm.so $(BUILD)/mkeif

$(B)/init $(B)/nsm: $(B)/%: $(B)/%.debug
	$(call note,STRIP)
	$(Q)$(CROSS)strip -s -R .comment -o $@ $<

$(B)/init.debug: $(MAIN_O) $(LIB_O)
	$(call note,LD)
	$(Q)$(XCC) $(LDFLAGS_ALL) -Wl,-Map=$(B)/init.map -o $@ $(CRT) $^ $(LIBS)

$(B)/nsm.debug: $(TOOL_O) $(LIBNSM_O)
	$(call note,LD)
	$(Q)$(XCC) $(LDFLAGS_ALL) -o $@ $(CRT) $^ $(LIBS)

$(B)/test/init: $(MAIN_O) $(filter-out $(SEAMS_O),$(LIB_O)) $(SEAMS_TEST_O)
# The functions around which mutant.c has its mistakes and marks.c its marks.
MUTANT := loopback_up file_set_access cgroup_mount log_line end_failed power_reboot prctl syscall child_fork helper_start end_machine \
	$(addprefix step_,start console spec modules entropy root mounts spawn heartbeat supervise)
$(B)/test/mutant: $(MAIN_O) $(filter-out $(SEAMS_O),$(LIB_O)) $(SEAMS_TEST_O) $(MUTANT_O)
# Private: what it is made of has other flags.
$(B)/test/mutant: private LDFLAGS_ALL += $(MUTANT:%=-Wl,--wrap=%)
$(B)/test/nsm: $(TOOL_O) $(filter-out $(SEAMS_O),$(LIBNSM_O)) $(TOOL_TEST_O)
$(APPS_X): $(B)/apps/%: $(B)/obj/tests/apps/%.o $(B)/libnsmc.a
$(B)/apps/clock: $(call obj,init/clock/ptp.c init/clock/clock.c)
$(B)/apps/group: $(call obj,rootfs/cgroup.c rootfs/protect.c rootfs/file.c rootfs/tree.c rootfs/number.c)
$(B)/hello: $(B)/obj/tests/apps/hello.o
$(UNIT:%=$(B)/unit/%): $(B)/unit/%: $(B)/obj/tests/unit/%_test.o $(B)/lib.a
$(B)/test/init $(B)/test/mutant $(B)/test/nsm $(APPS_X) $(B)/hello $(UNIT:%=$(B)/unit/%):
	$(call note,LD)
	@mkdir -p $(@D)
	$(Q)$(XCC) $(LDFLAGS_ALL) -o $@ $(CRT) $^ $(LIBS)

# One object, of which all but the names that begin with nsmc_ (AWS's: nsm_) is its
# own: an application may link another libcbor and mbedTLS beside it.
$(B)/libnsmc.a: $(LIBNSM_O)
$(B)/compat/lib/libnsm.a: $(COMPAT_O)
$(B)/libnsmc.a: FIRST = nsmc_
$(B)/compat/lib/libnsm.a: FIRST = nsm_
WHOLE = $(B)/obj/$(notdir $*)
$(B)/libnsmc.a $(B)/compat/lib/libnsm.a: %.a:
	$(call note,AR)
	@mkdir -p $(@D)
	$(Q)$(CROSS)nm -g --defined-only $^ | LC_ALL=C sort -k3 | \
		awk '$$3 ~ /^$(FIRST)/ { print $$3 }' >$(WHOLE).names
	$(Q)$(XCC) -nostdlib -r -Wl,--gc-sections -o $(WHOLE).o \
		$$(sed 's/^/-Wl,-u,/' $(WHOLE).names) $^ \
		$(filter $(DEPS)/mbedtls/% $(DEPS)/cbor/%,$(LIBS))
	$(Q)$(CROSS)objcopy --strip-unneeded -R .comment \
		--keep-global-symbols=$(WHOLE).names $(WHOLE).o
	$(Q)rm -f $@ && $(CROSS)ar rcsD $@ $(WHOLE).o

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

VERIFY_CC ?= cc
VERIFY_AR ?= ar
## libnsmc-verify: build/verify/libnsmc-verify.a: documents alone, of any C11 compiler, VERIFY_CC and VERIFY_AR
libnsmc-verify:
	$(Q)scripts/libnsmc-verify $(BUILD)/verify "$(VERIFY_CC)" "$(VERIFY_AR)" $(VERIFY_C)

# Made anew for another PREFIX.
$(B)/libnsmc.pc: nsm/libnsmc.pc.in FORCE
	@mkdir -p $(@D)
	@sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|' \
		$< >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(UNIT:%=$(H)/unit/%): $(H)/unit/%: $(H)/obj/tests/unit/%_test.o $(H)/lib.a
$(INTEROP_X): $(H)/interop/%: $(H)/obj/tests/interop/%.o $(H)/lib.a
$(UNIT:%=$(H)/unit/%) $(INTEROP_X):
	$(call note,LD)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(SAN) -pie -o $@ $^ $(HOST_LIBS)

$(addprefix $(FZ)/,config user notify seccomp service): $(FUZZ_INIT_O)
$(FUZZ_X): $(FZ)/%: $(FZ)/obj/tests/fuzz/%_fuzz.o $(FUZZ_O)
	$(call note,LD)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer $(FUZZ_SAN) -o $@ $^ \
		$(FZ)/deps/mbedtls/lib/libmbedx509.a \
		$(FZ)/deps/mbedtls/lib/libmbedcrypto.a $(FZ)/deps/cbor/lib/libcbor.a

# With the same device as the one above, and ASan.
$(H)/nsm: $(HOST_TOOL_O) $(H)/lib.a
	$(call note,LD)
	$(Q)$(HOSTCC) $(SAN) -pie -o $@ $^ $(HOST_LIBS)

# Run the test build in namespaces: programs of this machine.
$(H)/jail: $(H)/obj/tests/ns/jail.o
$(H)/inject: $(INJECT_O)
$(H)/jail $(H)/inject:
	$(call note,LD)
	$(Q)$(HOSTCC) $(SAN) -pie -o $@ $^

$(BUILD)/mkeif: $(PACK_O)
	$(call note,LD)
	$(Q)$(HOSTCC) $(PACK_LDFLAGS) -o $@ $^ $(PACK_LIBS)

$(H)/mkeif: $(HOST_PACK_O)
$(PACK_UNIT_X): $(H)/unit/%: $(H)/obj/tests/unit/%_test.o \
	$(filter-out %/pack/main.o,$(HOST_PACK_O))
$(H)/mkeif $(PACK_UNIT_X):
	$(call note,LD)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(SAN) -pie -o $@ $^ $(PACK_LIBS)

$(PACK_FUZZ_X): $(FZ)/%: $(FZ)/obj/tests/fuzz/%_fuzz.o $(FUZZ_PACK_O)
	$(call note,LD)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer $(FUZZ_SAN) -o $@ $^ $(PACK_LIBS)

$(B)/lib.a: $(LIB_O) $(NSM_MORE_O)
$(H)/lib.a: $(HOST_LIB_O)
$(B)/lib.a $(H)/lib.a:
	$(call note,AR)
	$(Q)rm -f $@ && $(if $(filter $(H)/%,$@),,$(CROSS))ar rcsD $@ $^

# Private, here and below: what is asked for first must not decide what flags says.
# libnsmc.a may become part of a shared library, and shows nothing there.
$(B)/obj/nsm/%.o: private PIC = -fPIC -fvisibility=hidden

# Nearly all of a verification is in there.
$(B)/obj/nsm/es384.o $(B)/so/nsm/es384.o: private OPT = -O2 -fomit-frame-pointer
$(H)/obj/nsm/es384.o $(H)/obj/tests/interop/es384_32.o: private HOST_CFLAGS += -O2

# It is a program.
$(B)/obj/nsm/tool/%.o: private PIC = -fPIE

# The objects that know the version.
VERSION_O := $(MAIN_O) $(call obj,init/start.c) $(H)/obj/init/start.o $(call obj,nsm/tool/main.c) $(H)/obj/nsm/tool/main.o \
	$(PK)/obj/rootfs/pack/command/build.o $(PK)/obj/rootfs/pack/main.o \
	$(H)/obj/rootfs/pack/command/build.o $(H)/obj/rootfs/pack/main.o \
	$(FZ)/obj/rootfs/pack/command/build.o
$(VERSION_O): VERSION
$(VERSION_O): DEFINE := -DENCLAVE_INIT_VERSION='"$(VERSION)"'

$(B)/obj/%.o: %.c $(B)/flags $(B)/deps.stamp
	$(call note,CC)
	@mkdir -p $(@D)
	$(Q)$(XCC) $(CFLAGS_ALL) $(DEFINE) -c -o $@ $<

$(B)/so/%.o: private PIC = -fPIC
$(B)/so/%.o: %.c $(B)/flags $(B)/deps.stamp
	$(call note,CC)
	@mkdir -p $(@D)
	$(Q)$(XCC) $(CFLAGS_ALL) $(DEFINE) -c -o $@ $<

# These see mkeif's libraries.
$(H)/obj/rootfs/pack/%.o $(PACK_UNIT:%=$(H)/obj/tests/unit/%_test.o): private HOST_INC = $(PACK_INC)
$(FZ)/obj/rootfs/pack/%.o $(PACK_FUZZ:%=$(FZ)/obj/tests/fuzz/%_fuzz.o): private FUZZ_INC = $(PACK_INC)
$(HOST_PACK_O) $(PACK_FUZZ_X) $(PACK_UNIT:%=$(H)/obj/tests/unit/%_test.o): $(PK)/deps.stamp
$(FUZZ_PACK_O) $(PACK_FUZZ:%=$(FZ)/obj/tests/fuzz/%_fuzz.o): $(PK)/deps.stamp

$(PK)/obj/%.o: %.c $(PK)/flags $(PK)/deps.stamp
	$(call note,CC)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(PACK_CFLAGS) $(DEFINE) -c -o $@ $<

$(H)/obj/%.o: %.c $(H)/flags $(H)/deps.stamp
	$(call note,CC)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $(DEFINE) -c -o $@ $<

$(FZ)/obj/%.o: %.c $(FZ)/flags $(FZ)/deps.stamp
	$(call note,CC)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) $(DEFINE) -c -o $@ $<

# Another compiler or other flags build anew.
# Not -Werror, which changes no object: two makes may run side by side.
$(B)/flags: WORDS = $(filter-out -Werror,$(XCC) $(CFLAGS_ALL) $(LDFLAGS_ALL) \
	$(shell cat $(wildcard scripts/$(ARCH).ld) /dev/null | cksum))
$(B)/flags: TOOLS = $(ARCH) $(CC)
$(H)/flags: WORDS = $(filter-out -Werror,$(HOSTCC) $(HOST_CFLAGS))
$(H)/flags: TOOLS = host $(HOSTCC)
$(FZ)/flags: WORDS = $(FUZZ_CC) $(FUZZ_CFLAGS)
$(FZ)/flags: TOOLS = host $(FUZZ_CC)
$(PK)/flags: WORDS = $(filter-out -Werror,$(HOSTCC) $(PACK_CFLAGS) $(PACK_LDFLAGS))
$(PK)/flags: TOOLS = pack $(HOSTCC)
$(B)/flags $(H)/flags $(FZ)/flags $(PK)/flags: FORCE
	@mkdir -p $(@D)
	@command -v $(firstword $(WORDS)) >/dev/null || scripts/deps --tools $(TOOLS)
	@{ echo '$(WORDS)'; $(firstword $(WORDS)) --version; } >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# Dangling when the cache went away: then it is made again.
$(B)/deps.stamp: TOOLS = $(ARCH) $(CC)
$(B)/deps.stamp: $(B)/flags $(if $(wildcard $(DEPS)/mbedtls/lib),,FORCE)
$(H)/deps.stamp: TOOLS = host $(HOSTCC)
$(H)/deps.stamp: $(H)/flags $(if $(wildcard $(H)/deps/mbedtls/lib),,FORCE)
$(FZ)/deps.stamp: TOOLS = host $(FUZZ_CC)
$(FZ)/deps.stamp: $(FZ)/flags $(if $(wildcard $(FZ)/deps/mbedtls/lib),,FORCE)
$(PK)/deps.stamp: TOOLS = pack $(HOSTCC)
$(PK)/deps.stamp: rootfs/pack/mbedtls_config.h $(PK)/flags $(if $(wildcard $(PK)/deps/zlib/lib),,FORCE)
$(PK)/deps.stamp: PKGS = $(PACK_PKGS:%=%-dev)
$(B)/deps.stamp $(H)/deps.stamp $(FZ)/deps.stamp: nsm/mbedtls_config.h
$(B)/deps.stamp $(H)/deps.stamp $(FZ)/deps.stamp $(PK)/deps.stamp: scripts/deps scripts/deps.lock
	@$(if $(PKGS),bash -c '. scripts/lib.sh; need_packages $(PKGS)' &&) \
	dir=$$(scripts/deps $(TOOLS)) && ln -sfn "$$dir" $(@D)/deps && touch $@

-include $(patsubst %.o,%.d,$(MAIN_O) $(LIB_O) $(NSM_MORE_O) $(TOOL_O) $(COMPAT_O) $(SO_O) $(COMPAT_SO_O) \
	$(TOOL_TEST_O) $(HOST_TOOL_O) $(SEAMS_TEST_O) $(MUTANT_O) $(APPS_O) $(FUZZ_O) \
	$(FUZZ_INIT_O) \
	$(FUZZ:%=$(FZ)/obj/tests/fuzz/%_fuzz.o) $(UNIT_O) $(HOST_LIB_O) \
	$(HOST_UNIT_O) $(INTEROP_O) $(H)/obj/tests/ns/jail.o $(INJECT_O) $(PACK_O) $(HOST_PACK_O) \
	$(FUZZ_PACK_O) $(PACK_UNIT:%=$(H)/obj/tests/unit/%_test.o) \
	$(PACK_FUZZ:%=$(FZ)/obj/tests/fuzz/%_fuzz.o))

# --- Running and testing ------------------------------------------------------

test-build: all $(TEST_X) $(UNIT_X) $(FUZZ_X) $(PACK_UNIT_X) $(PACK_FUZZ_X)

# AWS's own image is arm64, our others are x86-64: boot tests want both, and so do tests of mkeif and
# of what is released. Without a T=NAME none is skipped for want of the other.
OTHER := $(if $(filter x86_64,$(ARCH)),aarch64,x86_64)
other-arch:
	$(Q)$(MAKE) --no-print-directory ARCH=$(OTHER) UNIT= FUZZ= PACK_UNIT= PACK_FUZZ= test-build

## emulator: get or build what boots images here; its kernel to build/emulator, for mkeif build --blobs
emulator:
	$(Q)scripts/emulator --blobs $(BUILD)/emulator run

## run: boot an enclave image with the hello application under the emulator, verify its document
run: $(B)/init $(B)/hello $(B)/nsm $(BUILD)/mkeif emulator
	$(call need,python3)
	$(Q)scripts/run-enclave --hello

## soak: boot an image N=1000 times, J=2 at a time, and count; EIF=FILE or HOSTILE=1, DEADLINE=S each, LOAD=N busy processes beside
N ?= 1000
J ?= 2
DEADLINE ?= 600
LOAD ?= 0
soak: $(B)/init $(B)/hello $(B)/nsm $(addprefix $(B)/apps/,act hostile)
	$(call need,python3)
	$(Q)tests/soak -n $(N) -j $(J) --deadline $(DEADLINE) --load $(LOAD) $(if $(EIF),--eif '$(EIF)') $(if $(filter 1,$(HOSTILE)),--hostile)

## test: all tests: check and boot
test: test-build other-arch
	$(call need,python3 squashfs-tools-ng squashfs-tools)
	$(Q)tests/run test

## check: layers, static, unit, tool, mkeif and namespace tests; T=NAME for one
check: test-build $(if $(T),,other-arch)
	$(call need,python3 squashfs-tools-ng squashfs-tools)
	$(Q)tests/run check

## boot: the boot tests in QEMU; STRICT=1 fails what it would skip
boot: test-build other-arch
	$(call need,python3 squashfs-tools-ng)
	$(Q)tests/run boot

## unit: unit tests, on glibc with ASan and UBSan, then on musl; T=NAME for one
unit: $(UNIT_X) $(PACK_UNIT_X)
	$(Q)tests/run unit

## tool: the tests of the tool nsm; T=NAME for one
tool: test-build
	$(call need,python3)
	$(Q)tests/run tool

## pack: the tests of mkeif; T=NAME for one
pack: test-build $(if $(T),,other-arch)
	$(call need,python3 squashfs-tools-ng squashfs-tools)
	$(Q)tests/run pack

## ns: the namespace tests; T=NAME for one
ns: test-build
	$(call need,python3)
	$(Q)tests/run ns

## nitro-cli: this machine's nitro-cli with its blobs and with ours: PCRs, set-init, four boots; no part of test
nitro-cli: all $(B)/hello
	$(call need,python3)
	$(Q)tests/run aws

## faults: each system call of the boot fails, by each likely error; the table of what came of it
faults: test-build
	$(call need,python3 strace)
	$(Q)tests/faults/run --table

## interop: the library against openssl and python; T=NAME for one
interop: $(INTEROP_X)
	$(call need,python3)
	$(Q)tests/run interop

## lang: libnsmc from Python, Go, Rust, C and C++, AWS's libnsm, the verifier alone; T=NAME for one
lang: all
	$(call need,python3)
	$(Q)tests/run lang

## fuzz: libFuzzer over the parsers: F=wire, doc, certificate, cms, config, user, notify, seccomp, oci, eif, sign, ramdisk (all), S=60 seconds each
fuzz: $(F:%=$(FZ)/%)
	$(Q)for f in $(F); do tests/fuzz/run $$f $(S) || exit 1; done

## static: what init and nsm must and must not be: size, static PIE, W^X, libraries
static: $(B)/init $(B)/nsm
	$(Q)scripts/check-static --self-test
	$(Q)scripts/check-static $<
	$(Q)scripts/check-static $(B)/nsm $(TOOL_MAX)
	$(Q)scripts/check-map --self-test
	$(Q)scripts/check-map $(B)/init.map

## layers: the includes follow the arrows of the design
layers:
	$(Q)scripts/check-layers --self-test
	$(Q)scripts/check-layers

# libnsmc as others link it, with glibc, beside OpenSSL; and what it does not show.
$(H)/bench_verify: tests/bench_verify.c $(B)/libnsmc.a $(B)/obj/nsm/es384.o
	$(call need,libssl-dev)
	$(call note,LD)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -O2 -I. $(WARN) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
		-o $@ $^ -lcrypto

## bench: size, memory, time to the first write, system calls; verifications; packing; T=layers for a part
bench: $(if $(filter verify,$(T)),,test-build other-arch) $(H)/bench_verify
	$(call need,python3 python3-cryptography time)
	$(Q)tests/bench $(T)

## shell: a shell beside the test build, which runs as PID 1 in namespaces
shell: test-build
	$(Q)tests/run shell

# --- Reading ------------------------------------------------------------------

C_FILES = $(sort $(wildcard $(foreach d,init init/spec init/clock nsm nsm/tool vsock rootfs \
	rootfs/pack $(addprefix rootfs/pack/,command image ramdisk eif sign base) scripts tests \
	tests/apps tests/seams tests/unit tests/ns tests/tool tests/interop \
	tests/faults tests/fuzz tests/lang,$(d)/*.c $(d)/*.h)))
C_SHIPPED = $(MAIN) $(LIB) $(NSM_MORE:%=nsm/%.c) $(TOOL_C)
SCRIPTS = $(shell grep -lE '^\#! ?/usr/bin/env bash|shellcheck shell' \
	scripts/* scripts/hooks/* tests/* nsm/*.bash-completion rootfs/pack/*.bash-completion .ci/* 2>/dev/null)

# gcc 12 believes that no other file's function fills in what a pointer names.
ANALYZE = $(if $(IS_CLANG),,-fanalyzer \
	-Wno-analyzer-use-of-uninitialized-value)
## lint: clang-tidy, cppcheck, the compiler's analyzer, shellcheck
lint: compdb $(B)/deps.stamp $(PK)/deps.stamp
	$(call need,clang-tidy cppcheck shellcheck)
	$(Q)clang-tidy --quiet -p $(BUILD) $(C_SHIPPED) $(PACK:%=rootfs/pack/%.c)
	$(Q)cppcheck --quiet --inline-suppr --error-exitcode=1 --std=c11 -I. \
		--enable=warning,performance,portability $(C_SHIPPED) \
		$(PACK:%=rootfs/pack/%.c)
	$(Q)for f in $(C_SHIPPED); do $(XCC) $(filter-out -MMD -MP,$(CFLAGS_ALL)) \
		-DENCLAVE_INIT_VERSION='""' $(ANALYZE) -Werror -c -o /dev/null $$f || \
		exit 1; done
	$(Q)shellcheck -x $(SCRIPTS)

## fmt: clang-format in place
fmt:
	$(call need,clang-format)
	$(Q)clang-format -i $(C_FILES)

## fmt-check: fails where fmt would change something
fmt-check:
	$(call need,clang-format)
	$(Q)clang-format --dry-run --Werror $(C_FILES)

## size: where init's bytes come from
size: $(B)/init
	$(Q)$(CROSS)size -t $(MAIN_O) $(LIB_O)
	$(Q)echo 'the largest symbols, bytes:'
	$(Q)$(CROSS)nm -St d --size-sort -r $<.debug | head -n 25 | \
		awk '{ printf "%7d %s %s\n", $$2, $$3, $$4 }'
	$(Q)$(CROSS)size $<; stat -c '%s bytes: %n' $<

comma := ,
quote = $(subst ",\",$(1))
# clang-tidy is a clang that wants to be asked twice for -ftrivial-auto-var-init.
## compdb: build/compile_commands.json, for clangd and clang-tidy
compdb: $(B)/deps.stamp
	@mkdir -p $(BUILD)
	$(file >$(BUILD)/compile_commands.json,[)
	$(foreach f,$(filter-out tests/unit/% tests/fuzz/% tests/lang/%,$(filter %.c,$(C_FILES))),$(file \
	>>$(BUILD)/compile_commands.json,{"directory":"$(CURDIR)"$(comma)"file":"$(f)"$(comma)"command":"$(call \
	quote,$(if $(filter rootfs/pack/%,$(f)),$(HOSTCC) $(PACK_CFLAGS),$(XCC) \
	$(filter-out -ftrivial%,$(CFLAGS_ALL)))) -DENCLAVE_INIT_VERSION=\"\\\"\\\"\" -c $(f)"}$(comma)))
	@sed -i '$$s/,$$/\n]/' $(BUILD)/compile_commands.json

# --- The rest -----------------------------------------------------------------

# Where no compiler looks unless it is told: AWS's own may be installed, too.
COMPATDIR = $(LIBDIR)/enclave-init/compat
## install: init, nsm, mkeif, libnsmc, pages, completion, below $(DESTDIR)$(PREFIX); LIBDIR, INCLUDEDIR
install: $(B)/init $(B)/nsm $(B)/libnsmc.a $(B)/libnsmc.so.0 $(B)/libnsmc.pc $(B)/compat/lib/libnsm.so $(BUILD)/mkeif
	install -D -m 0755 $< $(DESTDIR)$(PREFIX)/lib/enclave-init/$(ARCH)/init
	install -D -m 0644 init/enclave-init.8 \
		$(DESTDIR)$(PREFIX)/share/man/man8/enclave-init.8
	install -D -m 0644 init/enclave-init.conf.5 \
		$(DESTDIR)$(PREFIX)/share/man/man5/enclave-init.conf.5
	install -D -m 0755 $(B)/nsm $(DESTDIR)$(PREFIX)/bin/nsm
	install -D -m 0755 $(BUILD)/mkeif $(DESTDIR)$(PREFIX)/bin/mkeif
	install -D -m 0644 rootfs/pack/mkeif.1 \
		$(DESTDIR)$(PREFIX)/share/man/man1/mkeif.1
	install -D -m 0644 nsm/nsm.1 $(DESTDIR)$(PREFIX)/share/man/man1/nsm.1
	install -D -m 0644 nsm/libnsmc.3 $(DESTDIR)$(PREFIX)/share/man/man3/libnsmc.3
	install -D -m 0644 nsm/nsm.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nsm
	install -D -m 0644 rootfs/pack/mkeif.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/mkeif
	install -D -m 0644 $(B)/libnsmc.a $(DESTDIR)$(LIBDIR)/libnsmc.a
	install -D -m 0644 $(B)/libnsmc.so.0 $(DESTDIR)$(LIBDIR)/libnsmc.so.0.$(VERSION)
	ln -sfn libnsmc.so.0.$(VERSION) $(DESTDIR)$(LIBDIR)/libnsmc.so.0
	ln -sfn libnsmc.so.0 $(DESTDIR)$(LIBDIR)/libnsmc.so
	install -D -m 0644 $(B)/libnsmc.pc $(DESTDIR)$(LIBDIR)/pkgconfig/libnsmc.pc
	install -D -m 0644 nsm/nsmc.h $(DESTDIR)$(INCLUDEDIR)/nsmc.h
	install -D -m 0644 nsm/compat/nsm.h $(DESTDIR)$(COMPATDIR)/include/nsm.h
	install -D -m 0644 $(B)/compat/lib/libnsm.a $(DESTDIR)$(COMPATDIR)/lib/libnsm.a
	install -D -m 0644 $(B)/compat/lib/libnsm.so.0 $(DESTDIR)$(COMPATDIR)/lib/libnsm.so.0
	ln -sfn libnsm.so.0 $(DESTDIR)$(COMPATDIR)/lib/libnsm.so

BLOBS ?= $(B)/blobs
## blobs: a folder for NITRO_CLI_BLOBS: BLOBS=DIR (build/<arch>/blobs), FROM=nitro-cli's own
blobs: $(B)/init
	$(call need,python3)
	$(Q)scripts/blobs --arch $(ARCH) --init $< $(if $(FROM),--from '$(FROM)') '$(BLOBS)'

## dist: release tarballs of both architectures, with SBOM and checksums, in build/dist
dist:
	$(Q)for a in x86_64 aarch64; do $(MAKE) --no-print-directory ARCH=$$a CC=gcc \
		$(BUILD)/$$a/init $(BUILD)/$$a/nsm $(BUILD)/$$a/libnsmc.a $(BUILD)/$$a/libnsmc.so.0 \
		$(BUILD)/$$a/compat/lib/libnsm.so || exit 1; done
	$(Q)scripts/dist $(BUILD)/dist

## repro: builds all of it twice, elsewhere and otherwise, and compares; DEEP=1: the libraries, too
repro:
	$(Q)scripts/repro

## clean: remove build/ (the cache of libraries and emulator stays)
clean:
	rm -rf $(BUILD)

## help: this list
help:
	@sed -n 's/^## \([a-z-]*\): \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r t d; do printf '  %-10s %s\n' "$$t" "$$d"; done
