package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/moezoo/moezoo/train/metrics"
	"github.com/moezoo/moezoo/zoo"
)

// Run is what a run's folder tells.
type Run struct {
	Dir    string
	Record *zoo.Record // nil in folders of earlier versions
	Train  Curve       // the training loss without auxiliary losses, of every step
	Held   Curve       // the held-out loss, in nats per target, where it was measured
	Bits   []float64   // the same in bits per byte
	// Routers are the recorded mixtures by name, in the order of the layers.
	Routers []Router
	Skipped int
}

// Curve is a loss over the course of training.
type Curve struct {
	Step, Tokens, Seconds, Loss []float64
}

// Router is what one mixture did, by step.
type Router struct {
	Name    string
	Step    []float64
	Load    [][]float64 // [step][expert] rows computed
	Entropy []float64   // nats; empty when the router does not tell
	Dropped []float64   // share of the assignments; empty when nothing can be dropped
}

func (c *Curve) add(r record, loss float64) {
	c.Step, c.Tokens, c.Seconds, c.Loss = append(c.Step, r.number("step")), append(c.Tokens, r.number("tokens")), append(c.Seconds, r.number("seconds")), append(c.Loss, loss)
}

// record is a line of a metrics file.
type record map[string]any

func (r record) number(key string) float64 {
	v, _ := r[key].(float64)
	return v
}

// LoadRun reads a run's folder. A run that is being trained may be read at any time.
func LoadRun(dir string) (*Run, error) {
	r := &Run{Dir: dir}
	var err error
	if r.Record, err = zoo.ReadRecord(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, metrics.File))
	if errors.Is(err, os.ErrNotExist) && r.Record != nil {
		return r, nil // not a step yet
	}
	if err != nil {
		return nil, fmt.Errorf("%s: is no run: it has no %s", dir, metrics.File)
	}
	defer f.Close()
	return r, r.read(f)
}

// read takes the records up to the first that is not whole.
func (r *Run) read(f io.Reader) error {
	routers := map[string]*Router{}
	lines := bufio.NewReaderSize(f, 1<<16)
	last := record{}
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var m record
		if json.Unmarshal(bytes.TrimSpace(line), &m) != nil {
			break
		}
		r.take(m, last, routers)
		if m["tokens"] != nil {
			last = m
		}
	}
	for _, x := range routers {
		r.Routers = append(r.Routers, *x)
	}
	sort.Slice(r.Routers, func(i, j int) bool { return naturalLess(r.Routers[i].Name, r.Routers[j].Name) })
	return nil
}

// take adds one record. An evaluation that was made up for after an interruption has no
// tokens of its own: it is of the step before.
func (r *Run) take(m, last record, routers map[string]*Router) {
	if loss, ok := m["cross_entropy"].(float64); ok {
		r.Train.add(m, loss)
	}
	r.Skipped = max(r.Skipped, int(m.number("skipped")))
	if loss, ok := m["held_out_loss"].(float64); ok {
		at := m
		if m["tokens"] == nil && last.number("step") == m.number("step") {
			at = last
		}
		r.Held.add(at, loss)
		r.Bits = append(r.Bits, m.number("held_out_bits_per_byte"))
	}
	for key, v := range m {
		name, what := key[:max(strings.LastIndexByte(key, '/'), 0)], key[strings.LastIndexByte(key, '/')+1:]
		if name == "" {
			continue
		}
		name = strings.TrimSuffix(name, "/router")
		x := routers[name]
		if x == nil {
			x = &Router{Name: name}
		}
		switch what {
		case "load":
			x.Step = append(x.Step, m.number("step"))
			x.Load = append(x.Load, floats(v))
		case "entropy":
			x.Entropy = append(x.Entropy, m.number(key))
		case "dropped":
			x.Dropped = append(x.Dropped, m.number(key))
		default:
			continue
		}
		routers[name] = x
	}
}

func floats(v any) []float64 {
	list, _ := v.([]any)
	out := make([]float64, len(list))
	for i := range list {
		out[i], _ = list[i].(float64)
	}
	return out
}

// naturalLess orders names with numbers in them by the numbers: layers.9 before layers.10.
func naturalLess(a, b string) bool {
	for a != "" && b != "" {
		i, j := digitsOf(a), digitsOf(b)
		if i > 0 && j > 0 && a[:i] != b[:j] {
			if i != j {
				return i < j
			}
			return a[:i] < b[:j]
		}
		if a[0] != b[0] {
			return a[0] < b[0]
		}
		a, b = a[1:], b[1:]
	}
	return len(a) < len(b)
}

func digitsOf(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// Finished tells whether the run has made its steps.
func (r *Run) Finished() bool {
	return r.Record != nil && len(r.Held.Step) > 0 && r.Held.Step[len(r.Held.Step)-1] == float64(r.Record.Steps)
}

// Label is what the page calls the run's model.
func (r *Run) Label() string {
	if r.Record != nil {
		return r.Record.Label
	}
	return filepath.Base(r.Dir)
}
