package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/moezoo/moezoo/plugins/wire"
)

// Checker looks into the functions of a Build answer: operators allowed, shapes,
// types, sizes, cycles. The graph side supplies it, as this package knows no
// ONNX. Its error becomes the detail of an [Error] that names the plugin.
type Checker func(v Variant, req *wire.BuildRequest, resp *wire.BuildResponse) error

// Config says where a Host looks for plugins and how it treats them. The zero
// value finds built-ins and what lies beside the program.
type Config struct {
	Dirs      []string          // --plugin-dir, first wins
	Dev       map[string]string // --plugin-dev NAME=PATH: no lock, with a warning
	Project   string            // project root ("" for none); see FindProject
	Home      string            // the user's folder, see DefaultHome; "" for none
	NotBeside bool              // do not look beside the program
	InProcess bool              // run built-ins in this process even where they could have their own
	Lock      *Lock             // nil: one without a file
	Checker   Checker           // nil: functions stay unopened
	Log       *slog.Logger      // nil: slog.Default
	Timeouts  Timeouts
	Env       []string // further variables NAME=VALUE for providers
	RunRoot   string   // folder for the sockets of runs; "" for the usual one
}

// Host finds providers, starts them when they are first needed, and asks them.
// Its methods may be called from several goroutines. Close ends every process it
// started.
type Host struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex
	run    *runDir
	found  []Found
	live   map[string]*provider
	built  map[string]*Built
	closed bool
}

// DefaultHome is the user's folder: $ZOO_HOME, else ~/.zoo, else "".
func DefaultHome() string {
	if h := os.Getenv("ZOO_HOME"); h != "" {
		return h
	}
	if h, err := os.UserHomeDir(); err == nil && h != "" {
		return filepath.Join(h, ".zoo")
	}
	return ""
}

// FindProject is the nearest folder, from dir upwards, that holds .zoo or
// zoo.lock; "" if there is none. The user's own ~/.zoo makes no project of the
// home folder.
func FindProject(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	home := DefaultHome()
	for {
		if _, err := os.Stat(filepath.Join(abs, LockName)); err == nil {
			return abs
		}
		zoo := filepath.Join(abs, ".zoo")
		if fi, err := os.Stat(zoo); err == nil && fi.IsDir() && zoo != home {
			return abs
		}
		up := filepath.Dir(abs)
		if up == abs {
			return ""
		}
		abs = up
	}
}

// NewHost looks for plugins; it starts none. Plugins that cannot be used are no
// error here: List shows them with their problem.
func NewHost(cfg Config) (*Host, error) {
	h := &Host{cfg: cfg, log: cfg.Log, live: map[string]*provider{}, built: map[string]*Built{}}
	if h.log == nil {
		h.log = slog.Default()
	}
	h.cfg.Timeouts = cfg.Timeouts.withDefaults()
	if h.cfg.Lock == nil {
		h.cfg.Lock = NewLock()
	}
	if err := h.discover(); err != nil {
		return nil, err
	}
	return h, nil
}

// hostVersion is this program's version, for a provider's log.
func hostVersion() string {
	if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" {
		return bi.Main.Version
	}
	return "devel"
}

// discover fills h.found: built-ins, attached, --plugin-dev, then the folders in order.
func (h *Host) discover() error {
	for _, name := range registeredNames() {
		d, err := registered(name).Describe(context.Background())
		if err != nil {
			return &Error{Plugin: name, Op: "describe", Detail: cleanLine(err.Error(), maxTextBytes), Err: err}
		}
		h.add(Found{Name: name, Source: SourceBuiltin, Description: describe(d)})
	}
	if err := h.addAttached(); err != nil {
		return err
	}
	dev := make([]string, 0, len(h.cfg.Dev))
	for name := range h.cfg.Dev {
		dev = append(dev, name)
	}
	slices.Sort(dev)
	for _, name := range dev {
		if !providerName.MatchString(name) {
			return &InputError{Detail: fmt.Sprintf("--plugin-dev %s=%s: the name must match %s", cleanLine(name, 80), h.cfg.Dev[name], providerName)}
		}
		if registered(name) != nil {
			return &InputError{Detail: fmt.Sprintf("--plugin-dev %s=%s: %s is built in; give the plugin another name", name, h.cfg.Dev[name], name)}
		}
		path := h.cfg.Dev[name]
		if _, err := os.Stat(path); err != nil {
			return &InputError{Detail: fmt.Sprintf("--plugin-dev %s=%s: %v", name, path, err)}
		}
		h.log.Warn("plugin runs unlocked (--plugin-dev)", "plugin", name, "path", path)
		h.add(Found{Name: name, Source: SourceDev, Path: path})
	}
	for _, d := range h.cfg.searchDirs() {
		for _, f := range discoverDir(d, h.cfg.Lock.Version) {
			h.add(f)
		}
	}
	return nil
}

// add notes a find, marks it as shadowed by an earlier one of its name, and fills
// in a cached description.
func (h *Host) add(f Found) {
	for _, g := range h.found {
		if g.Name == f.Name && g.ShadowedBy == "" {
			if g.Path == f.Path && g.Path != "" {
				return // one folder, listed twice
			}
			f.ShadowedBy = g.Path
			if g.Source == SourceBuiltin {
				f.ShadowedBy = "the built-in " + g.Name
			}
		}
	}
	if f.Description == nil && f.Problem == "" && !f.Source.unlocked() {
		h.fromCache(&f)
	}
	h.found = append(h.found, f)
}

// fromCache describes a loose binary from an earlier run, if its sum is known.
func (h *Host) fromCache(f *Found) {
	file, err := os.Open(f.Path)
	if err != nil {
		f.Problem = err.Error()
		return
	}
	defer file.Close()
	sum, size, err := hashFile(file)
	if err != nil {
		f.Problem = err.Error()
		return
	}
	f.SHA256 = sum
	path := cachePath(h.cfg.Home, sum)
	if path == "" {
		return
	}
	if m, err := readManifest(path); err == nil && m.SHA256 == sum && m.Size == size && m.Description.Provider == f.Name {
		f.Description = &m.Description
	}
}

// Lock is what the host's plugins are held to.
func (h *Host) Lock() *Lock { return h.cfg.Lock }

// List is every provider that was found, starting none; shadowed and broken ones
// are marked.
func (h *Host) List() []Found {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Found(nil), h.found...)
}

// Ref is a variant that Lookup found.
type Ref struct {
	Provider string
	Version  string
	Variant  Variant
	Builtin  bool
}

// Name is the qualified name, "provider/variant".
func (r Ref) Name() string { return r.Provider + "/" + r.Variant.Name }

// Lookup finds a variant by "provider/variant" or "variant". Without a provider
// the built-ins come first, so that installing a plugin never changes what a name
// meant; two plugins with that variant are an error that names both. Plugins that
// are not described yet are started once, if need be.
func (h *Host) Lookup(ctx context.Context, kind Kind, name string) (Ref, error) {
	providerPart, variantPart, qualified := strings.Cut(name, "/")
	if !qualified {
		providerPart, variantPart = "", name
	}
	refs := h.refs(kind, providerPart, variantPart)
	if len(refs) == 0 {
		if err := h.describeMissing(ctx, providerPart); err != nil {
			return Ref{}, err
		}
		refs = h.refs(kind, providerPart, variantPart)
	}
	switch {
	case len(refs) == 0:
		if err := h.unusable(kind, providerPart, variantPart); err != nil {
			return Ref{}, err
		}
		return Ref{}, h.unknown(kind, providerPart, name)
	case len(refs) > 1 && !refs[0].Builtin:
		var names []string
		for _, r := range refs {
			names = append(names, r.Name())
		}
		return Ref{}, &InputError{Detail: fmt.Sprintf("%s %s is offered by several plugins", kind, name), Hint: "write one of " + strings.Join(names, ", ")}
	}
	return refs[0], nil
}

// refs lists what matches among the described, usable providers, built-ins
// first.
func (h *Host) refs(kind Kind, providerPart, variantPart string) []Ref {
	var out []Ref
	for _, f := range h.List() {
		if f.Description == nil || f.Problem != "" || f.ShadowedBy != "" || (providerPart != "" && f.Name != providerPart) {
			continue
		}
		if v, ok := f.Description.Find(kind, variantPart); ok {
			out = append(out, Ref{Provider: f.Name, Version: f.Description.Version, Variant: v, Builtin: f.Source == SourceBuiltin})
		}
	}
	return out
}

// describeMissing starts the plugins that nobody has described yet; only the
// named one where a name is given. That one's failure is the answer, and an attached one's.
func (h *Host) describeMissing(ctx context.Context, only string) error {
	for _, f := range h.List() {
		if f.ShadowedBy != "" || f.Description != nil || (only != "" && f.Name != only) {
			continue
		}
		if f.Problem != "" {
			if only != "" {
				return &Error{Plugin: f.Name, Op: "find", Detail: f.Path + ": " + f.Problem}
			}
			continue
		}
		if _, err := h.open(ctx, f.Name); err != nil {
			if only != "" || f.attached != nil || ctx.Err() != nil { // who attached a plugin means it
				return err
			}
			h.setProblem(f.Name, err)
			h.log.Warn("plugin cannot be used", "plugin", f.Name, "path", f.Path, "err", err)
		}
	}
	return nil
}

// unusable says why the plugin that is known to offer a variant cannot be used, if there is
// one.
func (h *Host) unusable(kind Kind, providerPart, variantPart string) error {
	for _, f := range h.List() {
		if f.Problem == "" || f.ShadowedBy != "" || f.Description == nil || (providerPart != "" && f.Name != providerPart) {
			continue
		}
		if _, ok := f.Description.Find(kind, variantPart); ok {
			return &Error{Plugin: f.Name, Op: "find", Detail: f.Path + ": " + f.Problem}
		}
	}
	return nil
}

func (h *Host) setProblem(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.found {
		if h.found[i].Name == name && h.found[i].ShadowedBy == "" {
			h.found[i].Problem = err.Error()
		}
	}
}

// unknown words a name that nobody has, with the nearest one.
func (h *Host) unknown(kind Kind, providerPart, name string) error {
	var providers, names []string
	for _, f := range h.List() {
		if f.ShadowedBy != "" {
			continue
		}
		if f.Name == providerPart && f.Problem != "" {
			return &Error{Plugin: f.Name, Op: "find", Detail: f.Path + ": " + f.Problem}
		}
		providers = append(providers, f.Name)
		if f.Description == nil {
			continue
		}
		for _, v := range f.Description.Variants {
			switch {
			case v.Kind != kind:
			case providerPart != "":
				names = append(names, f.Name+"/"+v.Name)
			default:
				names = append(names, v.Name)
			}
		}
	}
	if providerPart != "" && !slices.Contains(providers, providerPart) {
		return &InputError{Detail: fmt.Sprintf("no plugin is called %s", cleanLine(providerPart, 80)), Hint: didYouMean(providerPart, providers)}
	}
	return &InputError{Detail: fmt.Sprintf("no %s is called %s", kind, cleanLine(name, 80)), Hint: didYouMean(name, names)}
}

// Close ends every provider that was started and removes the socket folder.
func (h *Host) Close() error {
	h.mu.Lock()
	live, run := h.live, h.run
	h.live, h.run, h.closed = map[string]*provider{}, nil, true
	h.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range live {
		wg.Go(p.close)
	}
	wg.Wait()
	if run != nil {
		run.close()
	}
	return nil
}

// Request asks for one variant at given sizes.
type Request struct {
	Kind   Kind
	Name   string           // "variant" or "provider/variant"
	Config json.RawMessage  // JSON object; empty is {}
	Dims   map[string]int64 // d_model, experts, top_k, width …
}

// Built is a checked answer of a variant.
type Built struct {
	Ref
	Config   json.RawMessage // canonical
	Dims     map[string]int64
	Response *wire.BuildResponse // not to be changed; shared between equal requests
	Digest   string              // wire.Digest of Response
	Warnings []string            // diagnostics of the variant, one line each
}
