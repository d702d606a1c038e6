package cpu_test

import (
	"testing"

	"github.com/moezoo/moezoo/backend/conformance"
	"github.com/moezoo/moezoo/backend/cpu"
)

func TestConformance(t *testing.T) {
	for _, threads := range []int{1, 3} {
		d := cpu.New(threads)
		conformance.Run(t, d)
		d.Close()
	}
}
