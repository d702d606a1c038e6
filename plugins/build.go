package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moezoo/moezoo/plugins/wire"
)

// provider is a provider in use: how to reach it, and the process while it lives.
type provider struct {
	h      *Host
	found  Found
	mu     sync.Mutex
	caller caller
	desc   *Description
	closed bool
}

// Build asks a variant for its functions and checks the answer: limits, the same
// bytes when asked twice, the Checker, the lock. Equal requests are asked once a
// Host.
func (h *Host) Build(ctx context.Context, req Request) (*Built, error) {
	ref, err := h.Lookup(ctx, req.Kind, req.Name)
	if err != nil {
		return nil, err
	}
	config, err := h.checkRequest(ref, req)
	if err != nil {
		return nil, err
	}
	dims, _ := json.Marshal(req.Dims) // keys come out sorted
	key := string(ref.Variant.Kind) + "\x00" + ref.Name() + "\x00" + string(config) + "\x00" + string(dims)
	h.mu.Lock()
	known := h.built[key]
	h.mu.Unlock()
	if known != nil {
		return known, nil
	}
	p, err := h.open(ctx, ref.Provider)
	if err != nil {
		return nil, err
	}
	b := &Built{Ref: ref, Config: config, Dims: req.Dims}
	if err := p.fill(ctx, b); err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.built[key] = b
	h.mu.Unlock()
	return b, nil
}

// checkRequest checks config and dims and returns the canonical config.
func (h *Host) checkRequest(ref Ref, req Request) (json.RawMessage, error) {
	config, values, err := canonicalConfig(req.Config)
	if err != nil {
		return nil, &InputError{Plugin: ref.Name(), Detail: err.Error()}
	}
	if err := checkDims(req.Dims); err != nil {
		return nil, &InputError{Plugin: ref.Name(), Detail: err.Error()}
	}
	s, err := compileSchema(ref.Variant.Schema)
	if err != nil {
		return nil, &Error{Plugin: ref.Provider, Op: "describe " + ref.Variant.Name, Detail: err.Error()}
	}
	return config, s.checkConfig(ref.Name(), values)
}

// CheckConfig checks a config against a variant's schema without building.
func (h *Host) CheckConfig(ctx context.Context, kind Kind, name string, config json.RawMessage) error {
	ref, err := h.Lookup(ctx, kind, name)
	if err != nil {
		return err
	}
	_, err = h.checkRequest(ref, Request{Kind: kind, Name: name, Config: config})
	return err
}

// open returns the provider of that name, started and described.
func (h *Host) open(ctx context.Context, name string) (*provider, error) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, &Error{Plugin: name, Op: "start", Detail: "the host is closed"}
	}
	p := h.live[name]
	if p == nil {
		for _, f := range h.found {
			if f.Name == name && f.ShadowedBy == "" {
				p = &provider{h: h, found: f}
				h.live[name] = p
			}
		}
	}
	h.mu.Unlock()
	if p == nil {
		return nil, &Error{Plugin: name, Op: "find", Detail: "no such plugin"}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.ready(ctx)
	return p, err
}

// fill asks for the answer and checks it.
func (p *provider) fill(ctx context.Context, b *Built) error {
	req := &wire.BuildRequest{Variant: b.Variant.Name, Config: b.Config, Dims: b.Dims}
	op := "build " + b.Variant.Name
	fail := func(format string, args ...any) error {
		return &Error{Plugin: b.Provider, Op: op, Detail: fmt.Sprintf(format, args...)}
	}
	resp, err := p.build(ctx, req)
	if err != nil {
		return err
	}
	errs, warnings := diagnosticsOf(resp)
	if len(errs) > 0 {
		return &InputError{Plugin: b.Name(), Detail: strings.Join(errs, "; ")}
	}
	if err := checkAnswer(b.Variant, resp); err != nil {
		return fail("its answer was refused: %v", err)
	}
	again, err := p.build(ctx, req)
	if err != nil {
		return err
	}
	digest := wire.Digest(resp)
	if other := wire.Digest(again); other != digest {
		return fail("two answers to one request differ (sha256 %.12s… and %.12s…); Build must be pure", digest, other)
	}
	if p.h.cfg.Checker != nil {
		if err := p.h.cfg.Checker(b.Variant, req, resp); err != nil {
			return &Error{Plugin: b.Provider, Op: op, Detail: "its answer was refused: " + cleanText(err.Error(), maxTextBytes), Err: err}
		}
	}
	b.Response, b.Digest, b.Warnings = resp, digest, warnings
	for _, w := range warnings {
		p.h.log.Warn("plugin warns", "plugin", b.Name(), "text", w)
	}
	return p.lockFunction(b)
}

// build makes the call, once more with a fresh process if the first one died:
// Build is pure, so asking again is harmless.
func (p *provider) build(ctx context.Context, req *wire.BuildRequest) (*wire.BuildResponse, error) {
	for attempt := 1; ; attempt++ {
		p.mu.Lock()
		c, err := p.ready(ctx)
		p.mu.Unlock()
		if err != nil {
			return nil, err
		}
		resp, err := c.build(ctx, req)
		if err == nil {
			return resp, nil
		}
		var e *Error
		gone := errors.Is(err, errDied) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
		if gone {
			p.drop(c)
		}
		if !errors.Is(err, errDied) || attempt == 2 {
			if attempt == 2 && errors.As(err, &e) && errors.Is(err, errDied) {
				e.Detail += ", and so did a fresh process"
			}
			return nil, err
		}
		p.h.log.Debug("plugin died, asking a fresh process", "plugin", p.found.Name, "err", err)
	}
}

// drop forgets a caller that is of no more use.
func (p *provider) drop(c caller) {
	p.mu.Lock()
	if p.caller == c {
		p.caller = nil
	}
	p.mu.Unlock()
	c.close()
}

// ready starts the provider if it does not run, and describes it. p.mu is held.
func (p *provider) ready(ctx context.Context) (caller, error) {
	if p.closed {
		return nil, &Error{Plugin: p.found.Name, Op: "start", Detail: "the host is closed"}
	}
	if p.caller != nil {
		return p.caller, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("plugin %s: start: %w", p.found.Name, err)
	}
	c, sum, size, err := p.start()
	if err != nil {
		return nil, err
	}
	d, err := c.describe(ctx)
	if err == nil {
		err = p.accept(d, sum, size)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	p.caller = c
	return c, nil
}

// accept checks a Describe answer, also against the file's name and an earlier
// description, and notes it.
func (p *provider) accept(d *wire.DescribeResponse, sum string, size int64) error {
	f := p.found
	fail := func(format string, args ...any) error {
		return &Error{Plugin: f.Name, Op: "describe", Detail: fmt.Sprintf(format, args...)}
	}
	if err := checkDescription(d); err != nil {
		return fail("its answer was refused: %v", err)
	}
	if d.Provider != f.Name && f.attached != nil {
		return fail("the provider at %s calls itself %s; %s must name it so", f.Path, d.Provider, envReattach)
	} else if d.Provider != f.Name {
		return fail("%s calls itself %s; name and file must agree", f.Path, d.Provider)
	}
	desc := describe(d)
	if f.Description != nil && !sameDescription(desc, f.Description) {
		return &Error{
			Plugin: f.Name, Op: "describe", Detail: "it describes itself otherwise than its manifest does",
			Hint: "zoo plugin install " + f.Path,
		}
	}
	p.desc = desc
	if f.Source != SourceBuiltin && !f.Source.unlocked() {
		if err := p.h.cfg.Lock.recordBinary(desc, f.Path, sum); err != nil {
			return err
		}
	}
	p.note(desc, sum, size)
	return nil
}

// note keeps a first description in the list and in the cache.
func (p *provider) note(desc *Description, sum string, size int64) {
	h := p.h
	h.mu.Lock()
	for i := range h.found {
		if g := &h.found[i]; g.Name == p.found.Name && g.ShadowedBy == "" {
			g.Description = desc
		}
	}
	h.mu.Unlock()
	if p.found.Description != nil || p.found.Source == SourceBuiltin || p.found.Source.unlocked() {
		return
	}
	if path := cachePath(h.cfg.Home, sum); path != "" {
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = writeManifest(path, &Manifest{SHA256: sum, Size: size, Description: *desc})
		}
		if err != nil {
			h.log.Debug("description not cached", "plugin", p.found.Name, "err", err)
		}
	}
}

// lockFunction compares the answer with the lock, or records it there.
func (p *provider) lockFunction(b *Built) error {
	if p.found.Source.unlocked() {
		return nil
	}
	return p.h.cfg.Lock.function(b)
}

// close ends the process, if any.
func (p *provider) close() {
	p.mu.Lock()
	c := p.caller
	p.caller, p.closed = nil, true
	p.mu.Unlock()
	if c != nil {
		c.close()
	}
}
