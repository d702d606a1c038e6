package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/moezoo/moezoo/plugins/wire"
)

// Check is one line of a verification.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail,omitempty"` // why it failed or was skipped, or what was compared
}

// Status is how a check ended.
type Status string

// Skipped is a check that has no meaning for a plugin, or that cannot be made here.
const (
	OK      Status = "ok"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Report is what Verify found out about a plugin.
type Report struct {
	Plugin      string       `json:"plugin"`
	Path        string       `json:"path,omitempty"`
	Description *Description `json:"description,omitempty"`
	Checks      []Check      `json:"checks"`
}

// OK reports whether no check failed.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Status == Failed })
}

func (r *Report) add(name string, err error) bool {
	c := Check{Name: name, Status: OK}
	var skip skipped
	switch {
	case errors.As(err, &skip):
		c.Status, c.Detail = Skipped, string(skip)
	case err != nil:
		c.Status, c.Detail = Failed, err.Error()
	}
	r.Checks = append(r.Checks, c)
	return err == nil
}

// skipped is why a check is not made.
type skipped string

func (s skipped) Error() string { return string(s) }

// Examiner looks into the functions of a built variant; the numeric side supplies it, as
// this package computes nothing.
type Examiner func(ctx context.Context, b *Built) []Check

// verifyDims are two sizes that every variant must be able to build at. No other size is a
// multiple of the number of experts by chance.
var verifyDims = []map[string]int64{
	{"d_model": 14, "experts": 4, "top_k": 2, "width": 27, "vocabulary": 23},
	{"d_model": 24, "experts": 6, "top_k": 1, "width": 40, "vocabulary": 50},
}

// Info is what is known of one provider; one that nobody described yet is
// started for it.
func (h *Host) Info(ctx context.Context, name string) (Found, error) {
	for range 2 {
		var names []string
		for _, f := range h.List() {
			names = append(names, f.Name)
			if f.Name == name && f.ShadowedBy == "" && (f.Description != nil || f.Problem != "") {
				return f, nil
			}
		}
		if !slices.Contains(names, name) {
			return Found{}, &InputError{Detail: fmt.Sprintf("no plugin is called %s", cleanLine(name, 80)), Hint: didYouMean(name, names)}
		}
		if err := h.describeMissing(ctx, name); err != nil {
			return Found{}, err
		}
	}
	return Found{}, &Error{Plugin: name, Op: "describe", Detail: "it was not described"}
}

// Verify puts a plugin to the test: what its process does with faults of all kinds, its
// description and options, every variant at two sizes (limits, same bytes from the same and
// from a fresh process, the Checker, the lock), what examine, if not nil, finds in the
// functions, and its end. An error means that there is no such plugin; what the plugin does
// wrong is in the report.
func (h *Host) Verify(ctx context.Context, name string, examine Examiner) (*Report, error) {
	r := &Report{Plugin: name}
	f, err := h.Info(ctx, name)
	var fault *Error
	switch {
	case errors.As(err, &fault):
		r.add("starts and describes itself", err)
		return r, nil
	case err != nil:
		return nil, err
	}
	r.Path = f.Path
	if f.Problem != "" {
		r.add("is a file that can be used", errors.New(f.Problem))
		return r, nil
	}
	p, err := h.open(ctx, name)
	if !r.add("starts and describes itself", err) {
		return r, nil
	}
	r.Description = p.desc
	for _, v := range p.desc.Variants {
		p.verifyVariant(ctx, r, v, examine)
	}
	p.verifyCalls(ctx, r)
	p.verifyProcess(ctx, r)
	return r, ctx.Err()
}

// Examine builds each variant at its defaults and examines its functions, without the rest
// of Verify.
func (h *Host) Examine(ctx context.Context, name string, examine Examiner) (*Report, error) {
	p, err := h.open(ctx, name)
	if err != nil {
		return nil, err
	}
	r := &Report{Plugin: name, Path: p.found.Path, Description: p.desc}
	for _, v := range p.desc.Variants {
		for _, dims := range verifyDims {
			b := &Built{Ref: Ref{Provider: name, Version: p.desc.Version, Variant: v, Builtin: p.found.Source == SourceBuiltin}, Dims: dims}
			if p.verifyBuild(ctx, b) != nil {
				continue // Verify reports it
			}
			for _, c := range examine(ctx, b) {
				c.Name = v.Name + ": " + c.Name
				r.Checks = append(r.Checks, c)
			}
			break
		}
	}
	return r, ctx.Err()
}

// verifyVariant builds a variant at its defaults, at two sizes, in two processes. A size may be
// refused in words, but not both.
func (p *provider) verifyVariant(ctx context.Context, r *Report, v Variant, examine Examiner) {
	p.verifyOptions(ctx, r, v)
	examined, refused := false, 0
	for _, dims := range verifyDims {
		b := &Built{Ref: Ref{Provider: p.found.Name, Version: p.desc.Version, Variant: v, Builtin: p.found.Source == SourceBuiltin}, Dims: dims}
		what := fmt.Sprintf("%s: builds at d_model %d and top_k %d, the same bytes twice and in a fresh process", v.Name, dims["d_model"], dims["top_k"])
		err := p.verifyBuild(ctx, b)
		if errors.As(err, new(skipped)) {
			refused++
		}
		if r.add(what, err) && !examined && examine != nil {
			examined = true
			for _, c := range examine(ctx, b) {
				c.Name = v.Name + ": " + c.Name
				r.Checks = append(r.Checks, c)
			}
		}
	}
	if refused == len(verifyDims) {
		r.add(v.Name+": builds at one of these sizes", errors.New("it refuses all of them"))
	}
}

// verifyBuild builds as a host does, and once more in a fresh process.
func (p *provider) verifyBuild(ctx context.Context, b *Built) (err error) {
	b.Config, err = p.h.checkRequest(b.Ref, Request{Dims: b.Dims})
	var input *InputError
	if errors.As(err, &input) {
		return skipped("its options have no defaults: " + input.Detail)
	} else if err != nil {
		return err
	}
	if _, err := p.build(ctx, &wire.BuildRequest{Variant: b.Variant.Name, Config: b.Config, Dims: b.Dims}); err != nil && inWords(err) {
		return skipped("it refuses: " + err.Error())
	}
	if err := p.fill(ctx, b); err != nil || p.found.attached != nil { // a person's process is not started afresh
		return err
	}
	p.restart()
	return p.builds(ctx, b)
}

// builds asks for a built function again.
func (p *provider) builds(ctx context.Context, b *Built) error {
	again, err := p.build(ctx, &wire.BuildRequest{Variant: b.Variant.Name, Config: b.Config, Dims: b.Dims})
	if err == nil && wire.Digest(again) != b.Digest {
		err = fmt.Errorf("other bytes than before (sha256 %.12s… and %.12s…); Build must be pure", b.Digest, wire.Digest(again))
	}
	return err
}

// restart ends the process; the next call starts another.
func (p *provider) restart() {
	p.mu.Lock()
	c := p.caller
	p.caller = nil
	p.mu.Unlock()
	if c != nil {
		c.close()
	}
}

// inWords reports whether an error is an honest refusal, of a provider that lives.
func inWords(err error) bool {
	var e *Error
	return status.Code(err) != codes.Unavailable && !errors.Is(err, errDied) && !errors.Is(err, context.DeadlineExceeded) &&
		!errors.Is(err, context.Canceled) && errors.As(err, &e) && !e.panicked
}

// survives sends a request that makes no sense. A refusal in words is an honest answer, and
// the only one if it must fail; a panic, a death or a hang is not.
func (p *provider) survives(ctx context.Context, req *wire.BuildRequest, mustFail bool) error {
	_, err := p.build(ctx, req)
	switch {
	case err == nil && mustFail:
		return errors.New("it answered instead of refusing")
	case err != nil && !inWords(err):
		return err
	}
	return nil
}

// verifyCalls makes calls that no model makes. All of them leave the provider alive, which
// the last shows.
func (p *provider) verifyCalls(ctx context.Context, r *Report) {
	first := p.desc.Variants[0].Name
	r.add("refuses an unknown variant and lives", p.survives(ctx, &wire.BuildRequest{Variant: "no-such-variant", Dims: verifyDims[0]}, true))
	for _, v := range p.desc.Variants {
		r.add(v.Name+": lives through a request without sizes", p.survives(ctx, &wire.BuildRequest{Variant: v.Name, Config: []byte("{}")}, false))
		huge := map[string]int64{}
		for name := range verifyDims[0] {
			huge[name] = maxElements
		}
		r.add(v.Name+": lives through sizes of 2^40", p.survives(ctx, &wire.BuildRequest{Variant: v.Name, Config: []byte("{}"), Dims: huge}, false))
	}
	long := []byte(`{"x": "` + strings.Repeat("x", 5<<20) + `"}`)
	r.add("lives through a request of 5 MiB", p.survives(ctx, &wire.BuildRequest{Variant: first, Config: long, Dims: verifyDims[0]}, false))
	r.add("lives through a call that is given up", p.verifyCancelled(ctx))
	r.add("builds several at once, the same bytes", p.verifyTogether(ctx))
}

// verifyCancelled gives a call up right away, and then asks in the same process.
func (p *provider) verifyCancelled(ctx context.Context) error {
	p.mu.Lock()
	c, err := p.ready(ctx)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	req := &wire.BuildRequest{Variant: p.desc.Variants[0].Name, Config: []byte("{}"), Dims: verifyDims[0]}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.build(gone, req); err == nil {
		return errors.New("a call that was given up was answered")
	}
	if _, err = c.build(ctx, req); err != nil && !inWords(err) { // not every variant builds at its defaults
		return err
	}
	return nil
}

// verifyTogether builds each variant alone and then all of them several times at once.
func (p *provider) verifyTogether(ctx context.Context) error {
	const times = 3
	var wait sync.WaitGroup
	answers := make([]error, times*len(p.desc.Variants))
	for i, v := range p.desc.Variants {
		b := &Built{Ref: Ref{Variant: v}, Config: []byte("{}"), Dims: verifyDims[0]}
		first, err := p.build(ctx, &wire.BuildRequest{Variant: v.Name, Config: b.Config, Dims: b.Dims})
		if err != nil {
			continue // it is reported where it is built alone
		}
		b.Digest = wire.Digest(first)
		for j := range times {
			wait.Go(func() {
				if err := p.builds(ctx, b); err != nil {
					answers[i*times+j] = fmt.Errorf("%s: %w", v.Name, err)
				}
			})
		}
	}
	wait.Wait()
	return errors.Join(answers...)
}
