# make            everything for ARCH=x86_64 (default) or aarch64, CC=gcc (default) or clang
# make help       the other targets
# V=1 shows the commands, WERROR=1 makes warnings errors, CCACHE=ccache keeps objects for another clone (CI does both).
#
# Each folder has its list of files in files.mk and, where it links something, its rules in build.mk. The flags are in
# scripts/flags.mk, the four trees of objects in scripts/trees.mk.

ARCH ?= x86_64
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BUILD := build
VERSION := $(shell cat VERSION)

export ARCH CC T STRICT WERROR

# As many at a time as there are processors, if -j says nothing else. Of several goals each may run tests, which wait for
# each other.
ifneq ($(filter $(MAKELEVEL)$(words $(MAKECMDGOALS)),00 01),)
MAKEFLAGS += -j$(shell nproc)
endif

.PHONY: all nitro-cli emulator run demo-kms soak faults fuzz test check boot unit interop lang tool relay kms api pack ns conformance conformance-doc conformance-proofs static \
	layers bench lint libnsmc-verify fmt fmt-check \
	size compdb shell install blobs dist repro clean help test-build other-arch FORCE
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

Q := $(if $(filter 1,$(V)),,@)
note = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $@)
need = @bash -c '. scripts/lib.sh; need_packages $(1)'
comma := ,

include $(addsuffix /files.mk,init nsm vsock vsock/relay nsm/kms nsm/api rootfs rootfs/pack tests)
include scripts/trees.mk scripts/flags.mk
include $(addsuffix /build.mk,init nsm nsm/kms nsm/api vsock/relay rootfs/pack tests)
include scripts/read.mk scripts/install.mk
-include $(OBJECTS:.o=.d)

## all: build/<arch>/init, nsm, relay, kms, api and mkeif, stripped, X.debug beside them; libnsmc.a and .so, libkmsc.a; build/mkeif (the default)
all: $(B)/init $(B)/nsm $(B)/relay $(B)/kms $(B)/api $(B)/libnsmc.a $(B)/libnsmc.so.0 $(B)/libnsmc.pc $(B)/libkmsc.a $(B)/libkmsc.pc $(B)/kmsc.h $(B)/compat/lib/libnsm.so $(B)/mkeif $(BUILD)/mkeif

VERIFY_CC ?= cc
VERIFY_AR ?= ar
## libnsmc-verify: build/verify/libnsmc-verify.a: documents alone, of any C11 compiler, VERIFY_CC and VERIFY_AR
libnsmc-verify:
	$(Q)scripts/libnsmc-verify $(BUILD)/verify "$(VERIFY_CC)" "$(VERIFY_AR)" $(VERIFY_C)

test-build: all $(TEST_X) $(UNIT_X) $(FUZZ_X) $(PACK_UNIT_X) $(PACK_FUZZ_X) $(RELAY_UNIT_X) $(RELAY_FUZZ_X) $(KMS_UNIT_X) $(KMS_FUZZ_X)

# AWS's own image is arm64, our others are x86-64: boot tests want both, and so do tests of mkeif and
# of what is released. Without a T=NAME none is skipped for want of the other. Not beside test-build: both makes have
# the objects of this machine.
OTHER := $(if $(filter x86_64,$(ARCH)),aarch64,x86_64)
other-arch: | test-build
	$(Q)$(MAKE) --no-print-directory ARCH=$(OTHER) UNIT= FUZZ= PACK_UNIT= PACK_FUZZ= RELAY_UNIT= RELAY_FUZZ= KMS_UNIT= KMS_FUZZ= test-build

## emulator: get or build what boots images here; its kernel to build/emulator, for mkeif build --blobs
emulator:
	$(Q)scripts/emulator --blobs $(BUILD)/emulator run

## run: boot an enclave image with the hello application under the emulator, show what its parent sees, verify its document
run: $(B)/init $(B)/hello $(B)/nsm $(B)/relay $(BUILD)/mkeif emulator
	$(call need,python3)
	$(Q)scripts/run-enclave --hello

## demo-kms: an image whose boto3 program gets its secret from a KMS that asks for PCR0, and another that does not (docs/kms.md)
demo-kms: $(B)/init $(B)/nsm $(B)/relay $(B)/api $(BUILD)/mkeif emulator
	$(call need,python3 python3-cryptography python3-cbor2 mmdebstrap)
	$(Q)/usr/bin/python3 -B tests/kms/demo.py

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
## check: layers, static, unit, tool, mkeif and namespace tests; T=NAME for one
check: test-build $(if $(T),,other-arch)
## boot: the boot tests in QEMU; STRICT=1 fails what it would skip
boot: test-build other-arch
## unit: unit tests, on glibc with ASan and UBSan, then on musl; T=NAME for one
unit: $(UNIT_X) $(PACK_UNIT_X) $(RELAY_UNIT_X) $(KMS_UNIT_X)
## tool: the tests of the tool nsm; T=NAME for one
tool: test-build
## relay: the tests of relay; T=NAME for one
relay: test-build
## kms: the tests of the client of KMS; T=NAME for one
kms: test-build
## api: the tests of the local API; T=NAME for one
api: test-build
## pack: the tests of mkeif; T=NAME for one
pack: test-build $(if $(T),,other-arch)
## ns: the namespace tests; T=NAME for one
ns: test-build
## nitro-cli: this machine's nitro-cli with its blobs and with ours: PCRs, set-init, four boots; no part of test
nitro-cli: all $(B)/hello
	$(call need,python3)
	$(Q)tests/run aws

## faults: each system call of the boot fails, by each likely error; the table of what came of it
faults: test-build
	$(call need,python3 strace)
	$(Q)tests/faults/run --table

CONFORM = $(if $(KERNEL),--kernel '$(KERNEL)') $(if $(EIF),--eif '$(EIF)') $(CASE:%=--case '%') $(if $(JSON),--json '$(JSON)') $(if $(NAME),--name '$(NAME)')
## conformance: INIT=FILE, an init of an enclave, tried by all cases of tests/conformance, or CASE=NAME; KERNEL=DIR or EIF=FILE, JSON=FILE
conformance: $(APPS:%=$(BUILD)/x86_64/apps/%)
	$(call need,python3 busybox-static mmdebstrap)
	$(if $(filter command,$(firstword $(origin INIT))),,$(error INIT=FILE: which init?))
	$(Q)$(MAKE) -s --no-print-directory ARCH=aarch64 $(APPS:%=$(BUILD)/aarch64/apps/%)
	$(Q)tests/conformance/conform $(CONFORM) '$(INIT)'

## conformance-proofs: each case of tests/conformance fails with a mistake of the init; no part of test
conformance-proofs: test-build
	$(Q)PROOFS=1 tests/conformance/run proofs

AWS_NAME ?= AWS's init
MONZO_NAME ?= monzo's init
conform = { tests/conformance/conform --json $(BUILD)/conformance/$(1).json --name "$(2)" $(3) >$(BUILD)/conformance/$(1).txt || [ $$? = 1 ]; } && tail -n 1 $(BUILD)/conformance/$(1).txt
CONFORM_DOC = ours ours-arm64 $(if $(AWS),aws) aws-arm64 $(if $(MONZO),monzo) $(if $(MONZO_ARM64),monzo-arm64)
## conformance-doc: docs/conformance.md, of ours, of AWS's (for arm64 that of its image, or AWS_ARM64=FILE), AWS=FILE, MONZO=FILE, MONZO_ARM64=FILE; AWS_NAME, MONZO_NAME
conformance-doc: test-build other-arch
	$(Q)mkdir -p $(BUILD)/conformance
	$(Q)$(call conform,ours,enclave-init $(VERSION),$(BUILD)/x86_64/init)
	$(Q)$(call conform,ours-arm64,enclave-init $(VERSION),$(BUILD)/aarch64/init)
	$(if $(AWS),$(Q)$(call conform,aws,$(AWS_NAME),'$(AWS)'))
	$(Q)$(call conform,aws-arm64,$(AWS_NAME),"$(or $(AWS_ARM64),$$(scripts/emulator --env aarch64 | sed -n 's/^AWS=//p')/hello.eif)")
	$(if $(MONZO),$(Q)$(call conform,monzo,$(MONZO_NAME),'$(MONZO)'))
	$(if $(MONZO_ARM64),$(Q)$(call conform,monzo-arm64,$(MONZO_NAME),'$(MONZO_ARM64)'))
	$(Q)tests/conformance/conform --document $(CONFORM_DOC:%=$(BUILD)/conformance/%.json) >$(BUILD)/conformance/document && \
		mv $(BUILD)/conformance/document docs/conformance.md

## interop: the library against openssl and python; T=NAME for one
interop: $(INTEROP_X)
## lang: libnsmc from Python, Go, Rust, C and C++, AWS's libnsm, the verifier alone; T=NAME for one
lang: all
test check boot tool relay kms api pack ns interop lang: NEED = python3
test check boot pack: NEED += squashfs-tools-ng
test check pack: NEED += squashfs-tools
test check api: NEED += strace python3-urllib3 nodejs python3-yaml python3-jsonschema python3-cbor2 python3-cryptography curl iproute2 util-linux
test check relay: NEED += dnsmasq-base knot-dnsutils tinyproxy-bin microsocks socat curl wget git openssl
test check boot unit tool relay kms api pack ns interop lang:
	$(if $(NEED),$(call need,$(NEED)))
	$(Q)tests/run $@

F ?= $(FUZZ) $(PACK_FUZZ) $(RELAY_FUZZ) $(KMS_FUZZ)
S ?= 60
## fuzz: libFuzzer over the parsers: F=wire, doc, certificate, cms, config, user, notify, seccomp, ring, line, record, oci, eif, sign, ramdisk, relay_allowlist, relay_log, relay_plan, relay_status, relay_dns, relay_frame, relay_filter, relay_rules, relay_http, relay_socks, relay_enclaver, kms_json, kms_http, kms_sigv4, kms_verdict, kms_operations, kms_answer, kms_credentials, kms_frames, api_aws, api_paper, api_request, api_spec (all), S=60 seconds each
fuzz: $(F:%=$(FZ)/%)
	$(Q)for f in $(F); do tests/fuzz/run $$f $(S) || exit 1; done

## static: what init, nsm, relay, kms, api and mkeif must and must not be: size, static PIE, W^X, libraries
static: $(B)/init $(B)/nsm $(B)/relay $(B)/kms $(B)/api $(B)/mkeif
	$(Q)scripts/check-static --self-test
	$(Q)scripts/check-static $<
	$(Q)scripts/check-static $(B)/nsm $(TOOL_MAX)
	$(Q)scripts/check-static $(B)/relay $(RELAY_MAX)
	$(Q)scripts/check-static $(B)/kms $(KMS_MAX)
	$(Q)scripts/check-static $(B)/api $(API_MAX)
	$(Q)scripts/check-static $(B)/mkeif $(PACK_MAX)
	$(Q)scripts/check-map --self-test
	$(Q)scripts/check-map $(B)/init.map

## layers: the includes follow the arrows of the design
layers:
	$(Q)for check in layers names; do scripts/check-$$check --self-test && scripts/check-$$check || exit 1; done

## bench: size, memory, time to the first write, system calls; the log; relay; KMS; verifications; packing; T=layers for a part
bench: $(if $(filter verify log relay kms,$(T)),,test-build other-arch) $(H)/bench_verify $(B)/bench_link $(B)/bench_kms \
		$(if $(filter relay,$(T)),$(B)/bench_relay $(B)/relay $(B)/init,$(B)/bench_relay) \
		$(if $(filter kms,$(T)),$(B)/test/kms $(B)/test/api $(B)/kms $(B)/api $(B)/nsm)
	$(call need,python3 python3-cryptography python3-cbor2 time)
	$(Q)tests/bench $(T)

## shell: a shell beside the test build, which runs as PID 1 in namespaces
shell: test-build
	$(Q)tests/run shell

## lint: clang-tidy, cppcheck, the compiler's analyzer, shellcheck
lint: compdb $(B)/deps.stamp $(K)/deps.stamp $(PK)/deps.stamp

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

## compdb: build/compile_commands.json, for clangd and clang-tidy
compdb: $(B)/deps.stamp $(K)/deps.stamp

## install: init, nsm, kms, enclave-api, enclave-relay, mkeif, libraries, pages, completion, below $(DESTDIR)$(PREFIX); LIBDIR, INCLUDEDIR
install: all

BLOBS ?= $(B)/blobs
## blobs: a folder for NITRO_CLI_BLOBS: BLOBS=DIR (build/<arch>/blobs), FROM=nitro-cli's own
blobs: $(B)/init
	$(call need,python3)
	$(Q)scripts/blobs --arch $(ARCH) --init $< $(if $(FROM),--from '$(FROM)') '$(BLOBS)'

## dist: release tarballs of both architectures, with SBOM and checksums, in build/dist
dist:
	$(Q)for a in x86_64 aarch64; do $(MAKE) --no-print-directory ARCH=$$a CC=gcc \
		$(BUILD)/$$a/init $(BUILD)/$$a/nsm $(BUILD)/$$a/relay $(BUILD)/$$a/kms $(BUILD)/$$a/api $(BUILD)/$$a/mkeif $(BUILD)/$$a/libnsmc.a $(BUILD)/$$a/libnsmc.so.0 $(BUILD)/$$a/libkmsc.a \
		$(BUILD)/$$a/kmsc.h \
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
