package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/moezoo/moezoo/plugins/wire"
)

// Check is one line of a verification.
type Check struct {
	Name   string `json:"name"`
	Status string `json:"status"` // "ok", "failed" or "skipped"
	Detail string `json:"detail,omitempty"`
}

// Report is what Verify found out about a plugin.
type Report struct {
	Plugin      string       `json:"plugin"`
	Path        string       `json:"path,omitempty"`
	Description *Description `json:"description,omitempty"`
	Checks      []Check      `json:"checks"`
}

// OK reports whether no check failed.
func (r *Report) OK() bool {
	for _, c := range r.Checks {
		if c.Status == "failed" {
			return false
		}
	}
	return true
}

func (r *Report) add(name string, err error) bool {
	c := Check{Name: name, Status: "ok"}
	if err != nil {
		c.Status, c.Detail = "failed", err.Error()
	}
	r.Checks = append(r.Checks, c)
	return err == nil
}

// verifyDims are two sizes that every variant must be able to build at.
var verifyDims = []map[string]int64{
	{"d_model": 16, "experts": 4, "top_k": 2, "width": 32},
	{"d_model": 24, "experts": 6, "top_k": 1, "width": 40},
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

// Verify puts a plugin to the test: start, description, every variant at two
// sizes (limits, same bytes from the same and from a fresh process, the Checker,
// the lock), requests that make no sense, and its end. An error means that there
// is no such plugin; what the plugin does wrong is in the report.
func (h *Host) Verify(ctx context.Context, name string) (*Report, error) {
	r := &Report{Plugin: name}
	f, err := h.Info(ctx, name)
	var fault *Error
	switch {
	case errors.As(err, &fault):
		r.add("start and describe", err)
		return r, nil
	case err != nil:
		return nil, err
	}
	r.Path = f.Path
	if f.Problem != "" {
		r.add("file", errors.New(f.Problem))
		return r, nil
	}
	p, err := h.open(ctx, name)
	if !r.add("start and describe", err) {
		return r, nil
	}
	r.Description = p.desc
	for _, v := range p.desc.Variants {
		h.verifyVariant(ctx, r, p, v)
	}
	r.add("refuses an unknown variant and lives", p.survives(ctx, &wire.BuildRequest{Variant: "no-such-variant"}, true))
	for _, v := range p.desc.Variants {
		r.add(v.Name+": lives through a request without sizes", p.survives(ctx, &wire.BuildRequest{Variant: v.Name, Config: []byte("{}")}, false))
	}
	if p.found.attached == nil {
		r.add("ends when asked", p.verifyEnd())
	}
	return r, nil
}

// verifyVariant builds a variant at its defaults, at two sizes, in two processes.
func (h *Host) verifyVariant(ctx context.Context, r *Report, p *provider, v Variant) {
	ref := Ref{Provider: p.found.Name, Version: p.desc.Version, Variant: v, Builtin: p.found.Source == SourceBuiltin}
	for _, dims := range verifyDims {
		what := fmt.Sprintf("%s: build at d_model %d", v.Name, dims["d_model"])
		config, err := h.checkRequest(ref, Request{Dims: dims})
		var input *InputError
		if errors.As(err, &input) {
			r.Checks = append(r.Checks, Check{what, "skipped", "its config has no defaults: " + input.Detail})
			continue
		}
		b := &Built{Ref: ref, Config: config, Dims: dims}
		if err == nil {
			err = p.fill(ctx, b)
		}
		if !r.add(what, err) || p.found.attached != nil { // a person's process is not started afresh
			continue
		}
		p.restart()
		again, err := p.build(ctx, &wire.BuildRequest{Variant: v.Name, Config: config, Dims: dims})
		if err == nil && wire.Digest(again) != b.Digest {
			err = fmt.Errorf("a fresh process builds other bytes (sha256 %.12s… and %.12s…)", b.Digest, wire.Digest(again))
		}
		r.add(what+" again in a fresh process", err)
	}
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

// survives sends a request that makes no sense. An error is an honest answer, and
// the only one if it must fail; a panic, a death or a hang is not.
func (p *provider) survives(ctx context.Context, req *wire.BuildRequest, mustFail bool) error {
	_, err := p.build(ctx, req)
	var e *Error
	switch {
	case err == nil && mustFail:
		return errors.New("it answered instead of refusing")
	case status.Code(err) == codes.Unavailable, errors.Is(err, context.DeadlineExceeded), errors.As(err, &e) && e.panicked:
		return err
	}
	return nil
}

// verifyEnd asks the process to end and sees that it does, without SIGKILL.
func (p *provider) verifyEnd() error {
	p.mu.Lock()
	s, ok := p.caller.(*session)
	p.mu.Unlock()
	if !ok {
		return nil // in this process
	}
	start := time.Now()
	p.restart()
	if !waitFor(s.proc.exited, exitGrace) || strings.Contains(s.proc.state, "killed") {
		return fmt.Errorf("it had to be killed after %v", time.Since(start).Round(time.Millisecond))
	}
	return nil
}
