// verify in Go: see verify.c.
package main

// #cgo pkg-config: libnsmc
// #include <nsmc.h>
// #include <stdlib.h>
import "C"

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"unsafe"
)

// Policy wraps what the library keeps: its setters copy, so nothing is pinned.
type Policy struct{ p *C.struct_nsmc_policy }

// Error is a negative number of the library.
type Error C.int

func (e Error) Error() string { return C.GoString(C.nsmc_error_text(C.int(e))) }

// Name is as in nsmc.h.
func (e Error) Name() string { return C.GoString(C.nsmc_error_name(C.int(e))) }

func result(r C.int) error {
	if r < 0 {
		return Error(r)
	}
	return nil
}

// pointer to bytes that may be none: the library wants no NULL for what is empty.
func pointer(b []byte) (unsafe.Pointer, C.size_t) {
	if len(b) == 0 {
		return unsafe.Pointer(&make([]byte, 1)[0]), 0
	}
	return unsafe.Pointer(&b[0]), C.size_t(len(b))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func file(name string) []byte {
	b, err := os.ReadFile(name)
	must(err)
	return b
}

func unhex(text string) []byte {
	b, err := hex.DecodeString(text)
	must(err)
	return b
}

func main() {
	args := os.Args[1:]
	var p Policy
	must(result(C.nsmc_policy_new(&p.p)))
	defer C.nsmc_policy_free(p.p)
	if args[1] != "-" {
		b, n := pointer(file(args[1]))
		must(result(C.nsmc_policy_root(p.p, b, n)))
	}
	time, err := strconv.ParseInt(args[2], 10, 64)
	must(err)
	must(result(C.nsmc_policy_time(p.p, C.int64_t(time))))
	b, n := pointer(unhex(args[3]))
	must(result(C.nsmc_policy_field(p.p, C.NSMC_FIELD_NONCE, b, n)))
	b, n = pointer(unhex(args[4]))
	must(result(C.nsmc_policy_pcr(p.p, 0, b, n)))

	// DOC gets views into the bytes, which are C's for that.
	bytes := file(args[0])
	buf := C.CBytes(bytes)
	defer C.free(buf)
	var doc C.struct_nsmc_doc
	var report C.struct_nsmc_report
	err = result(C.nsmc_doc_verify(buf, C.size_t(len(bytes)), p.p, nil, &doc, &report))
	verdict := "good"
	if e, refused := err.(Error); refused {
		verdict = e.Name()
	}
	object, id := C.GoString(&report.object.name[0]), "-"
	if object == "" {
		object = "-"
	}
	if doc.module_id.data != nil {
		id = string(C.GoBytes(unsafe.Pointer(doc.module_id.data), C.int(doc.module_id.len)))
	}
	fmt.Printf("%s %s %x %x %d %s\n", verdict, object, uint32(report.checked), uint32(report.pcrs_checked),
		report.debug, id)
	if err != nil {
		os.Exit(1)
	}
}
