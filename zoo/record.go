package zoo

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/internal/whole"
	"github.com/moezoo/moezoo/plugins"
)

// RecordFile is the file in a run's folder that says what the run is.
const RecordFile = "run.json"

// Record is what a run trains, on what, and where. It is written before the first step and
// never changed. A study that reuses a run writes its copy's anew: label and origin differ.
type Record struct {
	Label       string `json:"label"` // what reports call the model; the recipe's name by default
	Recipe      string `json:"recipe"`
	RecipeHash  string `json:"recipe_sha256"`
	Configured  string `json:"configured_sha256"` // of the recipe without its seed: runs that differ in nothing else
	Seed        uint64 `json:"seed"`
	Steps       int64  `json:"steps"`
	StepTokens  int64  `json:"tokens_per_step"`
	Context     int64  `json:"context"`
	Experts     bool   `json:"experts"` // whether there is a mixture in it
	DataHash    string `json:"data_sha256"`
	TrainBytes  int64  `json:"train_bytes"`
	HeldBytes   int64  `json:"held_out_bytes"`
	HeldTargets int    `json:"held_out_tokens"`

	Counts    blocks.Counts `json:"counts"`
	Functions []string      `json:"functions"` // "router routers/switch sha256:…"
	Began     time.Time     `json:"began"`
	Host      Host          `json:"host"`
	Resolved  string        `json:"resolved"` // the recipe, every default filled in

	ReusedFrom string `json:"reused_from,omitempty"` // the run, of another study, that this one is a copy of; seen from the study's folder
}

// Host is the machine and the program that a run was begun on.
type Host struct {
	Machine   string `json:"machine"` // what bit-equality depends on
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	Threads   int    `json:"threads,omitempty"` // that worked
	System    string `json:"system"`
	Go        string `json:"go"`
	Revision  string `json:"revision,omitempty"` // of this program's source, when it was built from a repository
}

// ThisHost is the machine that this process runs on.
func ThisHost() Host {
	h := Host{Machine: Machine(), Processor: processor(), Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	for i := 0; ok && i < len(info.Settings); i++ {
		switch s := info.Settings[i]; {
		case s.Key == "vcs.revision":
			h.Revision = s.Value + h.Revision
		case s.Key == "vcs.modified" && s.Value == "true":
			h.Revision += ", modified"
		}
	}
	return h
}

// processor is what the system calls the processor, "" where it does not say.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// record describes a run of the model on a set.
func (m *Model) record(label string, set *data.Set, threads int) (*Record, error) {
	r := m.Recipe
	counts, err := m.Net.Count(r.Train.Context)
	if err != nil {
		return nil, err
	}
	anySeed := *r
	anySeed.Train.Seed = 0
	if label == "" {
		label = r.Name
	}
	out := &Record{
		Label: label, Recipe: r.Name, RecipeHash: r.Hash(), Configured: anySeed.Hash(), Seed: r.Train.Seed,
		Steps: r.Train.Steps, StepTokens: r.Train.Batch * r.Train.Context * r.Train.Accumulate, Context: r.Train.Context,
		DataHash: set.Hash, TrainBytes: set.TrainBytes, HeldBytes: set.HeldBytes, HeldTargets: max(set.Held.Len()-1, 0),
		Counts: counts, Began: time.Now().UTC().Truncate(time.Second), Host: ThisHost(), Resolved: string(r.YAML()),
	}
	out.Host.Machine, out.Host.Threads = machine(r.Train.Precision), threads
	for _, f := range m.Functions {
		out.Functions = append(out.Functions, fmt.Sprintf("%s %s/%s sha256:%s", f.Variant.Kind, f.Provider, f.Variant.Name, f.Digest))
		out.Experts = out.Experts || f.Variant.Kind == plugins.RouterKind
	}
	return out, nil
}

// Write puts the record into a run's folder, whole or not at all.
func (r *Record) Write(dir string) error {
	return whole.WriteJSON(filepath.Join(dir, RecordFile), r)
}

// ReadRecord reads the record of a run.
func ReadRecord(dir string) (*Record, error) {
	path := filepath.Join(dir, RecordFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Record{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Identity tells runs apart: those with the same recipe (its seed and steps included) and the
// same text have the same.
func Identity(recipeHash, dataHash string) string {
	sum := sha256.Sum256([]byte("run\n" + recipeHash + "\n" + dataHash + "\n"))
	return hex.EncodeToString(sum[:])
}

// threadsOf is how many threads a device works with, 0 when that is unknown.
func threadsOf(d any) int {
	if c, ok := d.(*cpu.Device); ok {
		return c.Pool.Threads()
	}
	return 0
}
