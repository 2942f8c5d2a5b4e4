# Compilers and flags: of init, nsm and libnsmc (CFLAGS_ALL), of mkeif (PACK_CFLAGS), of the same code with sanitizers
# (HOST_CFLAGS) and of fuzzers (FUZZ_CFLAGS).

ifeq ($(origin CC),default)
CC := gcc
endif
HOSTCC ?= gcc

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
# mkeif's, which gcc compiles.
GCC_HARDEN := $(HARDEN)
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

SAN := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
HOST_INC = -isystem $(H)/deps/cbor/include -isystem $(H)/deps/mbedtls/include
# A program starts in two thirds of the time without the sanitizers' shared libraries; clang has none.
SAN_STATIC := $(if $(findstring clang,$(HOSTCC)),,-static-libasan -static-libubsan)
HOST_CFLAGS = $(COMMON) $(HOST_INC) -O1 -g -fPIE \
	-D_FORTIFY_SOURCE=2 -fstack-protector-strong $(SAN) $(WARN)

# libFuzzer is clang's, and so are the sanitizers that go with it.
FUZZ_CC := clang
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_INC = -isystem $(FZ)/deps/cbor/include -isystem $(FZ)/deps/mbedtls/include
FUZZ_CFLAGS = $(COMMON) $(FUZZ_INC) -O1 -g -fsanitize=fuzzer-no-link \
	$(FUZZ_SAN) -fno-omit-frame-pointer $(filter-out -Werror,$(WARN)) -Wno-unknown-warning-option

# kms and api: as nsm, with libraries of their own.
KEYS_CFLAGS = $(subst $(DEPS)/,$(K)/deps/,$(subst $(DEPS)/mbedtls,$(K)/deps/kmstls,$(CFLAGS_ALL))) \
	$(call keys_inc,K,yyjson llhttp)
# Of what is in libkmsc.a.
KEYS_PIC := -fPIC -fvisibility=hidden
keys_inc = $(patsubst %,-isystem $($(1))/deps/%/include,$(2))

# What init, nsm and what runs beside them are linked with: no C library of the machine's.
CRT := $(addprefix $(DEPS)/musl/lib/,rcrt1.o crti.o)
LIBS = $(CURVE) $(DEPS)/mbedtls/lib/libmbedcrypto.a $(DEPS)/cbor/lib/libcbor.a $(DEPS)/musl/lib/libc.a \
	$(DEPS)/libgcc.a $(DEPS)/musl/lib/crtn.o
HOST_LIBS := $(H)/deps/mbedtls/lib/libmbedx509.a $(H)/deps/mbedtls/lib/libmbedcrypto.a $(H)/deps/cbor/lib/libcbor.a
FUZZ_LIBS := $(FZ)/deps/mbedtls/lib/libmbedx509.a $(FZ)/deps/mbedtls/lib/libmbedcrypto.a $(FZ)/deps/cbor/lib/libcbor.a

# What a rule names may have its own .mk among it, so that another list or another flag there links anew.
parts = $(filter-out %.mk,$^)
LINK_TARGET = $(XCC) $(LDFLAGS_ALL) -o $@ $(CRT) $(parts) $(LIBS)
# Not -pie: 70,000 places of mkeif would be relocated at each start, and each page of them is a copy.
LINK_HOST = $(HOSTCC) $(GOLD) $(SAN) -no-pie -o $@ $(parts)
LINK_FUZZ = $(FUZZ_CC) $(GOLD) -fsanitize=fuzzer $(FUZZ_SAN) -o $@ $(parts)
# What is not shipped is linked in half of the time by gold, where the machine has it, as Debian 12's binutils do.
GOLD := $(if $(shell sh -c 'command -v ld.gold'),-fuse-ld=gold)
