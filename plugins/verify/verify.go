package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
)

// checks are made of every variant, in this order. A check answers what it compared.
var checks = []struct {
	name string
	run  func(context.Context, *subject) (string, error)
}{
	{"finite results in range, at any number of tokens", inRange},
	{"the same bits on one and on four threads", sameBits},
	{"later tokens change nothing before them, as declared", causal},
	{"a token alone is treated as in its sequence", alone},
	{"gradients agree with finite differences", gradients},
	{"experts may change places", permuted},
	{"exported, another runtime computes the same", exported},
}

// Function makes all checks of a variant's functions.
func Function(ctx context.Context, b *plugins.Built) []plugins.Check { return examine(ctx, b, nil) }

// Kernels makes those checks that depend on the kernels in use, for a process that is told to
// use others.
func Kernels(ctx context.Context, b *plugins.Built) []plugins.Check {
	return examine(ctx, b, []string{checks[0].name, checks[1].name, checks[4].name})
}

// examine makes the named checks; nil is all.
func examine(ctx context.Context, b *plugins.Built, names []string) []plugins.Check {
	s, err := newSubject(b)
	if err != nil {
		return []plugins.Check{{Name: "its functions decode", Status: plugins.Failed, Detail: err.Error()}}
	}
	defer s.device.Close()
	var out []plugins.Check
	for _, c := range checks {
		if names == nil || slices.Contains(names, c.name) {
			out = append(out, s.check(ctx, c.name, c.run))
		}
	}
	return out
}

// skip is why a check has no meaning for a variant.
type skip string

func (s skip) Error() string { return string(s) }

func (s *subject) check(ctx context.Context, name string, run func(context.Context, *subject) (string, error)) plugins.Check {
	detail, err := run(ctx, s)
	c := plugins.Check{Name: name, Status: plugins.OK, Detail: detail}
	var why skip
	switch {
	case errors.As(err, &why):
		c.Status, c.Detail = plugins.Skipped, string(why)
	case err != nil:
		c.Status, c.Detail = plugins.Failed, err.Error()
	}
	return c
}

// subject is a built variant under test.
type subject struct {
	stored plugins.Stored
	f      *plugins.Function
	dims   map[string]int64
	forms  []form
	device *cpu.Device
}

// form is one of a variant's functions: two for a router that trains otherwise.
type form struct {
	name string
	g    *graph.Graph
}

func newSubject(b *plugins.Built) (*subject, error) {
	stored, err := b.Store()
	if err != nil {
		return nil, err
	}
	f, err := stored.Function()
	if err != nil {
		return nil, err
	}
	s := &subject{stored: stored, f: f, dims: b.Dims, forms: []form{{"inference", f.Infer}}, device: cpu.New(1)}
	if f.Train != f.Infer {
		s.forms = append(s.forms, form{"training", f.Train})
	}
	return s, nil
}

// router reports whether the subject is a router, not an expert.
func (s *subject) router() bool { return s.f.Kind == plugins.RouterKind }

// in names a form in an error, where there are two.
func (s *subject) in(f form, err error) error {
	if err == nil || len(s.forms) == 1 {
		return err
	}
	return fmt.Errorf("in its %s form: %w", f.name, err)
}
