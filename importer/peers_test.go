package importer_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/internal/testroot"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/zoo"
)

// TestPeersFolders imports every folder of $MOEZOO_PEERS that holds the logits to expect,
// and exports it again into "export"; scripts/transformers_roundtrip.py makes the folders
// and loads the exports.
func TestPeersFolders(t *testing.T) {
	root := testroot.FromEnv("MOEZOO_PEERS")
	if root == "" {
		t.Skip("MOEZOO_PEERS names no folder; scripts/transformers_roundtrip.py makes one")
	}
	folders, err := filepath.Glob(filepath.Join(root, "*", "expected.safetensors"))
	if err != nil || len(folders) == 0 {
		t.Fatal(len(folders), err)
	}
	for _, expected := range folders {
		dir := filepath.Dir(expected)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			_, run := imported(t, dir)
			f, err := safetensors.Open(expected)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			checkLogits(t, run, f)
			export := filepath.Join(dir, "export")
			if err := os.RemoveAll(export); err != nil {
				t.Fatal(err)
			}
			if _, err := zoo.ExportHuggingFace(context.Background(), run.Dir, export, zoo.HuggingFaceOptions{Weights: narrow.Float32, Shard: 100_000}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
