package importer_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/zoo"
)

// TestSharedWeightsMayBeStoredTwice writes Zamba2's shared block under both layers that use it:
// the same weights are one block, others are a contradiction.
func TestSharedWeightsMayBeStoredTwice(t *testing.T) {
	for _, c := range []struct {
		changes bool
		want    string
	}{
		{false, ""},
		{true, "tensor model.layers.3.shared_transformer.feed_forward.down_proj.weight is not equal to model.layers.1.shared_transformer."},
	} {
		dir := folder(t, "hf_zamba2")
		twice(t, filepath.Join(dir, "model.safetensors"), c.changes)
		_, err := zoo.Import(context.Background(), dir, filepath.Join(t.TempDir(), "run"), plugintest.Host(t))
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("got %v, want %q", err, c.want)
		case c.want == "":
			if err != nil {
				t.Fatal(err)
			}
			_, run := imported(t, dir)
			checkLogits(t, run, openGolden(t, "hf_zamba2"))
		}
	}
}

// twice stores the weights of the first shared block a second time, changed or not.
func twice(t *testing.T, path string, changed bool) {
	t.Helper()
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []safetensors.Tensor
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		raw, err := f.Bytes(name)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, safetensors.Tensor{Name: name, DType: info.DType, Shape: info.Shape, Data: slices.Clone(raw)})
		if rest, ok := strings.CutPrefix(name, "model.layers.1.shared_transformer."); ok {
			again := tensors[len(tensors)-1]
			again.Name, again.Data = "model.layers.3.shared_transformer."+rest, slices.Clone(raw)
			if changed {
				again.Data[0]++
			}
			tensors = append(tensors, again)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := safetensors.Write(out, tensors, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
}
