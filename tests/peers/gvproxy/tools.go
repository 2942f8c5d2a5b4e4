//go:build tools

// Package gvproxy names what is built, so that go.mod has all that it needs.
package gvproxy

import _ "github.com/containers/gvisor-tap-vsock/cmd/gvproxy"
