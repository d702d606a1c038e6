//go:build !cgo

package ort_test

import (
	"errors"
	"testing"

	"github.com/moezoo/moezoo/export/ort"
)

func TestWithoutCgoEverythingSaysSo(t *testing.T) {
	_, open := ort.Open("x.onnx", ort.Options{})
	_, bytes := ort.OpenBytes(arith().bytes(), ort.Options{})
	_, decoder := ort.NewDecoder(nil, 1)
	_, load := ort.Load()
	for name, err := range map[string]error{"Open": open, "OpenBytes": bytes, "NewDecoder": decoder, "Load": load, "Available": ort.Available()} {
		if !errors.Is(err, ort.ErrNoCgo) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
