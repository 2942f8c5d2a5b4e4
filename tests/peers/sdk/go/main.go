// Calls of AWS KMS by the SDK for Go, which finds its endpoint as any program's does: a job a line on stdin,
// {"op": "Decrypt", "input": {...}}, or each argument; an answer a line on stdout, {"ok": {...}} or {"error": {...}}. Bytes are
// base64.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
)

type job struct {
	Op    string          `json:"op"`
	Input json.RawMessage `json:"input"`
}

type failure struct {
	Class    string `json:"class"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Status   int    `json:"status"`
	Request  string `json:"request_id"`
	Attempts int    `json:"attempts"`
}

type answer struct {
	OK    any      `json:"ok,omitempty"`
	Error *failure `json:"error,omitempty"`
}

type operation func(context.Context, []byte) (any, error)

func of[I, O any](call func(context.Context, *I, ...func(*kms.Options)) (*O, error)) operation {
	return func(ctx context.Context, input []byte) (any, error) {
		in := new(I)
		if err := json.Unmarshal(input, in); err != nil {
			return nil, err
		}
		return call(ctx, in)
	}
}

func operations(c *kms.Client) map[string]operation {
	return map[string]operation{
		"Decrypt":                         of(c.Decrypt),
		"DeriveSharedSecret":              of(c.DeriveSharedSecret),
		"DescribeKey":                     of(c.DescribeKey),
		"Encrypt":                         of(c.Encrypt),
		"GenerateDataKey":                 of(c.GenerateDataKey),
		"GenerateDataKeyPair":             of(c.GenerateDataKeyPair),
		"GenerateDataKeyWithoutPlaintext": of(c.GenerateDataKeyWithoutPlaintext),
		"GenerateRandom":                  of(c.GenerateRandom),
		"GetPublicKey":                    of(c.GetPublicKey),
		"ListKeys":                        of(c.ListKeys),
		"ReEncrypt":                       of(c.ReEncrypt),
		"Sign":                            of(c.Sign),
	}
}

func describe(err error) *failure {
	f := &failure{Message: err.Error(), Attempts: 1}
	var api smithy.APIError
	if errors.As(err, &api) {
		f.Class, f.Code, f.Message = fmt.Sprintf("%T", api), api.ErrorCode(), api.ErrorMessage()
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		f.Status, f.Request = response.HTTPStatusCode(), response.ServiceRequestID()
	}
	var spent *retry.MaxAttemptsError
	if errors.As(err, &spent) {
		f.Attempts = spent.Attempt
	}
	return f
}

func do(ctx context.Context, ops map[string]operation, line []byte) error {
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return err
	}
	op := ops[j.Op]
	if op == nil {
		return fmt.Errorf("no operation %q", j.Op)
	}
	ok, err := op(ctx, j.Input)
	a := answer{OK: ok}
	if err != nil {
		a = answer{Error: describe(err)}
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

func run() error {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	ops := operations(kms.NewFromConfig(cfg))
	for _, line := range os.Args[1:] {
		if err := do(ctx, ops, []byte(line)); err != nil {
			return err
		}
	}
	if len(os.Args) > 1 {
		return nil
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if err := do(ctx, ops, in.Bytes()); err != nil {
			return err
		}
	}
	return in.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
