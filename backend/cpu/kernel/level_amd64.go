//go:build amd64 && !noasm

package kernel

// levels lists the levels this machine can run, slowest first.
func levels() []*dispatch { return []*dispatch{newGeneric()} }
