package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// multiply computes the product that each line on standard input asks for, "E M N K": E
// experts of M rows each, [E·M, K] times E matrices [K, N], as often as makes some two
// billion operations, and answers the time of one. All of it counts, packing included.
func multiply(threads int) error {
	d := cpu.New(threads)
	defer d.Close()
	programs := map[[4]int64]backend.Program{}
	fmt.Printf("{\"ready\": %q}\n", kernel.Level())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var s [4]int64
		if _, err := fmt.Sscan(in.Text(), &s[0], &s[1], &s[2], &s[3]); err != nil {
			return err
		}
		p := programs[s]
		if p == nil {
			var err error
			if p, err = product(d, s[0], s[1], s[2], s[3]); err != nil {
				return err
			}
			programs[s] = p
		}
		count := int(max(1, 1e9/(s[0]*s[1]*s[2]*s[3])))
		if err := answer(count, func() error { return p.Run(context.Background(), nil) }); err != nil {
			return err
		}
	}
	return nil
}

// product is a program of one operator, run once.
func product(d *cpu.Device, e, m, n, k int64) (backend.Program, error) {
	g := graph.New("product")
	x := g.Input("x", graph.Float32, graph.Dims(e*m, k))
	if e == 1 {
		g.Output(op.MatMul(x, g.Input("w", graph.Float32, graph.Dims(k, n))))
	} else {
		w, offsets := g.Input("w", graph.Float32, graph.Dims(e, k, n)), g.Input("offsets", graph.Int64, graph.Dims(e+1))
		g.Output(op.GroupedMatMul(x, w, op.Dispatched{Offsets: offsets}))
	}
	if err := g.Err(); err != nil {
		return nil, err
	}
	plan, err := backend.NewPlan(g, nil, d)
	if err != nil {
		return nil, err
	}
	p, err := d.Compile(plan, nil)
	if err != nil {
		return nil, err
	}
	for _, v := range append(g.Inputs, g.Outputs...) {
		shape, _ := v.Shape().Ints()
		t := backend.NewTensor(v.Type.DType, shape...)
		if v.Name == "offsets" {
			for i := range t.I64() {
				t.I64()[i] = int64(i) * m
			}
		} else {
			for i := range t.F32() {
				t.F32()[i] = float32(i*7919%4093)/2046 - 1
			}
		}
		if err := p.Bind(v.Name, cpu.Wrap(t)); err != nil {
			return nil, err
		}
	}
	return p, p.Run(context.Background(), nil)
}
