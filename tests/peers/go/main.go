// What a program in Go does with its standard library alone: go DOC ROOT TIME prints the microseconds of
// processor time that a verification of the attestation document takes, by the root certificate in the file
// ROOT, at TIME. What else it would ask of a document (PCRs, nonce) is not asked. go DOC ROOT TIME N verifies N
// times and prints nothing, for who counts instructions.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"syscall"
	"time"
)

// --- CBOR, as far as documents have it ---

var errCBOR = errors.New("not CBOR")

const maxDepth = 16

type pair struct{ key, value any }

// read returns the first item of in, as uint64, int64 (below 0), []byte, string, []any, []pair, or nil for
// null and undefined, and what is behind it. It copies nothing.
func read(in []byte, depth int) (any, []byte, error) {
	major, n, open, in, err := head(in)
	if err != nil || depth > maxDepth {
		return nil, nil, errCBOR
	}
	switch {
	case open && major != 4 && major != 5:
		return nil, nil, errCBOR
	case major == 0:
		return n, in, nil
	case major == 1 && n < 1<<63:
		return -1 - int64(n), in, nil
	case major == 2 || major == 3:
		if n > uint64(len(in)) {
			return nil, nil, errCBOR
		}
		if major == 2 {
			return in[:n:n], in[n:], nil
		}
		return string(in[:n]), in[n:], nil
	case major == 4:
		var items []any
		for i := uint64(0); open || i < n; i++ {
			if open && len(in) > 0 && in[0] == 0xff {
				return items, in[1:], nil
			}
			var item any
			if item, in, err = read(in, depth+1); err != nil {
				return nil, nil, err
			}
			items = append(items, item)
		}
		return items, in, nil
	case major == 5:
		var pairs []pair
		for i := uint64(0); open || i < n; i++ {
			if open && len(in) > 0 && in[0] == 0xff {
				return pairs, in[1:], nil
			}
			var p pair
			if p.key, in, err = read(in, depth+1); err != nil {
				return nil, nil, err
			}
			if p.value, in, err = read(in, depth+1); err != nil {
				return nil, nil, err
			}
			pairs = append(pairs, p)
		}
		return pairs, in, nil
	case major == 6:
		return read(in, depth+1)
	case major == 7 && (n == 22 || n == 23):
		return nil, in, nil
	}
	return nil, nil, errCBOR
}

func head(in []byte) (major byte, n uint64, open bool, rest []byte, err error) {
	if len(in) == 0 {
		return 0, 0, false, nil, errCBOR
	}
	major, low := in[0]>>5, in[0]&31
	in = in[1:]
	switch {
	case low < 24:
		return major, uint64(low), false, in, nil
	case low == 31:
		return major, 0, true, in, nil
	case low > 27 || len(in) < 1<<(low-24):
		return 0, 0, false, nil, errCBOR
	}
	size := 1 << (low - 24)
	for _, b := range in[:size] {
		n = n<<8 | uint64(b)
	}
	return major, n, false, in[size:], nil
}

func octets(b []byte) []byte {
	switch n := len(b); {
	case n < 24:
		return append([]byte{0x40 | byte(n)}, b...)
	case n < 1<<8:
		return append([]byte{0x58, byte(n)}, b...)
	default:
		return append([]byte{0x59, byte(n >> 8), byte(n)}, b...)
	}
}

// --- documents ---

type document struct {
	protected, payload, signature []byte
	moduleID, digest              string
	timestamp                     uint64
	certificate                   []byte
	cabundle                      [][]byte
	pcrs                          map[uint64][]byte
}

func whole(in []byte) (any, error) {
	item, rest, err := read(in, 0)
	if err == nil && len(rest) > 0 {
		err = errCBOR
	}
	return item, err
}

func parse(in []byte) (*document, error) {
	wrong := errors.New("not a document")
	top, err := whole(in)
	if err != nil {
		return nil, err
	}
	cose, ok := top.([]any)
	if !ok || len(cose) != 4 {
		return nil, wrong
	}
	var d document
	var a, b, c bool
	d.protected, a = cose[0].([]byte)
	d.payload, b = cose[2].([]byte)
	d.signature, c = cose[3].([]byte)
	if !a || !b || !c || len(d.payload) >= 1<<16 || len(d.signature) != 96 {
		return nil, wrong
	}
	item, err := whole(d.protected)
	if err != nil {
		return nil, err
	}
	// ES384, and nothing else.
	header, ok := item.([]pair)
	if !ok || len(header) != 1 || header[0].key != uint64(1) || header[0].value != int64(-35) {
		return nil, wrong
	}
	if item, err = whole(d.payload); err != nil {
		return nil, err
	}
	fields, ok := item.([]pair)
	if !ok {
		return nil, wrong
	}
	for _, f := range fields {
		ok := true
		switch f.key {
		case "module_id":
			d.moduleID, ok = f.value.(string)
		case "digest":
			d.digest, ok = f.value.(string)
		case "timestamp":
			d.timestamp, ok = f.value.(uint64)
		case "certificate":
			d.certificate, ok = f.value.([]byte)
		case "cabundle":
			var bundle []any
			bundle, ok = f.value.([]any)
			for _, v := range bundle {
				c, is := v.([]byte)
				ok = ok && is
				d.cabundle = append(d.cabundle, c)
			}
		case "pcrs", "nitrotpm_pcrs":
			var pcrs []pair
			pcrs, ok = f.value.([]pair)
			d.pcrs = make(map[uint64][]byte, len(pcrs))
			for _, p := range pcrs {
				index, a := p.key.(uint64)
				value, b := p.value.([]byte)
				ok = ok && a && b && index < 32 && len(value) == 48
				d.pcrs[index] = value
			}
		case "public_key", "user_data", "nonce":
			if f.value != nil {
				v, is := f.value.([]byte)
				ok = is && len(v) <= 1024
			}
		}
		if !ok {
			return nil, wrong
		}
	}
	if d.moduleID == "" || d.digest != "SHA384" || d.timestamp == 0 || len(d.pcrs) == 0 || len(d.certificate) == 0 ||
		len(d.cabundle) == 0 {
		return nil, wrong
	}
	return &d, nil
}

func verify(in []byte, root *x509.Certificate, at time.Time) error {
	d, err := parse(in)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(d.certificate)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	options.Roots.AddCert(root)
	for _, der := range d.cabundle {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		options.Intermediates.AddCert(c)
	}
	if _, err = leaf.Verify(options); err != nil {
		return err
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Params().BitSize != 384 {
		return errors.New("not a key of P-384")
	}
	signed := bytes.Join([][]byte{[]byte("\x84\x6aSignature1"), octets(d.protected), octets(nil), octets(d.payload)}, nil)
	hash := sha512.Sum384(signed)
	r, s := new(big.Int).SetBytes(d.signature[:48]), new(big.Int).SetBytes(d.signature[48:])
	if !ecdsa.Verify(key, hash[:], r, s) {
		return errors.New("the signature is wrong")
	}
	return nil
}

// --- measuring ---

const rounds, roundUs = 20, 50000

func nowUs() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		fail(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1000
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "go:", err)
	os.Exit(1)
}

func main() {
	if len(os.Args) != 4 && len(os.Args) != 5 {
		fail(errors.New("usage: go DOC ROOT TIME [N]"))
	}
	doc, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail(err)
	}
	der, err := os.ReadFile(os.Args[2])
	if err != nil {
		fail(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		fail(err)
	}
	seconds, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil {
		fail(err)
	}
	once := func() {
		if err := verify(doc, root, time.Unix(seconds, 0)); err != nil {
			fail(err)
		}
	}
	if len(os.Args) == 5 {
		times, err := strconv.Atoi(os.Args[4])
		if err != nil {
			fail(err)
		}
		for ; times > 0; times-- {
			once()
		}
		return
	}
	best := 0.0
	for round := 0; round < rounds; round++ {
		start, n, took := nowUs(), 0, 0.0
		for took < roundUs {
			once()
			n++
			took = nowUs() - start
		}
		if us := took / float64(n); best == 0 || us < best {
			best = us
		}
	}
	fmt.Printf("verify %.1f\n", best)
}
