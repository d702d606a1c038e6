package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/zoo"
)

// generate feeds a run tokens again and again: many after a fresh start (prefill), or one
// behind all others (decode). The logits of the first feed are written for the driver.
func generate(run, kind string, tokens, threads int, path string) error {
	d := cpu.New(threads)
	defer d.Close()
	m, err := zoo.OpenAs(run, narrow.Kind(kind), d)
	if err != nil {
		return err
	}
	dec, err := m.Decoder(1)
	if err != nil {
		return err
	}
	defer dec.Close()
	ids := make([]int64, tokens)
	for i := range ids {
		ids[i] = int64((i*7919 + 13) % 256)
	}
	logits, err := dec.Feed(context.Background(), ids)
	if err != nil {
		return err
	}
	if err := writeLogits(path, logits); err != nil {
		return err
	}
	debug.FreeOSMemory() // the checkpoint, which would else be collected while decoding
	fmt.Printf("{\"ready\": %q}\n", kernel.Level())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if tokens > 1 {
			if err := dec.Reset(); err != nil {
				return err
			}
		}
		count := 1
		if tokens == 1 {
			count = 32 // a mean over tokens in a row, as in writing
		}
		err := answer(count, func() error {
			_, err := dec.Feed(context.Background(), ids)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func writeLogits(path string, logits []float32) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	t := backend.NewTensor(graph.Float32, len(logits))
	copy(t.F32(), logits)
	out := []safetensors.Tensor{{Name: "logits", DType: safetensors.F32, Shape: []int64{int64(len(logits))}, Data: t.Data}}
	if err := safetensors.Write(f, out, nil); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
