package zoo_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/zoo"
)

// TestRepeatedTokensCostMemoryAsFedOnesDo: after as many tokens, repeated or fed, the states are
// as large, the decoder goes on, and no row of a cache is empty.
func TestRepeatedTokensCostMemoryAsFedOnesDo(t *testing.T) {
	grows := map[string]bool{"mamba-debug": false, "moe-mamba-debug": false, "transformer-debug": true, "samba-debug": false}
	for name, growing := range grows {
		d := cpu.New(1)
		m := untrained(t, name, d)
		var sizes [2][]int
		for i, repeated := range []bool{true, false} {
			dec, err := m.Decoder(1)
			if err != nil {
				t.Fatal(err)
			}
			if err := dec.Repeat(1); err == nil {
				t.Error("nothing was repeated")
			}
			for _, n := range []int{70, 500, 1900} {
				ids := make([]int64, n-dec.Length()-1)
				for i := range ids {
					ids[i] = int64(i * i % 251)
				}
				if repeated && dec.Length() > 0 {
					err = dec.Repeat(len(ids))
				} else {
					_, err = dec.Feed(context.Background(), ids)
				}
				if err == nil {
					_, err = dec.Feed(context.Background(), make([]int64, 1))
				}
				if err != nil || dec.Length() != n {
					t.Fatalf("%s: %d tokens, %v", name, dec.Length(), err)
				}
				sizes[i] = append(sizes[i], dec.StateBytes())
				if empty, err := dec.EmptyRows(); err != nil || empty > 0 {
					t.Errorf("%s behind %d tokens: %d rows of caches are zero: %v", name, n, empty, err)
				}
			}
			dec.Close()
		}
		if !slices.Equal(sizes[0], sizes[1]) || sizes[0][0] == 0 {
			t.Errorf("%s: %v bytes after repeated tokens, %v after fed ones", name, sizes[0], sizes[1])
		}
		if got := sizes[0][2] > 2*sizes[0][1]; got != growing {
			t.Errorf("%s: states of %v bytes", name, sizes[0])
		}
		d.Close()
	}
}

// untrained is a model with its first weights, as its run holds them.
func untrained(t *testing.T, name string, d *cpu.Device) *zoo.Trained {
	t.Helper()
	m := build(t, name, "train.steps=1", "train.batch=1", "train.context=8", "data.holdout=0")
	dir := filepath.Join(t.TempDir(), "run")
	run, err := m.Train(zoo.TrainOptions{Dir: dir}, text(t, m, 2000), d)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if err := run.Save(); err != nil {
		t.Fatal(err)
	}
	out, err := zoo.Open(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
