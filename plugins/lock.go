package plugins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/moezoo/moezoo/internal/whole"
)

// LockName is the lock file's name in a project's root.
const LockName = "zoo.lock"

const (
	lockFormat   = 1
	maxLockBytes = 16 << 20
	lockPatience = 10 * time.Second
)

// ErrLockHeld says that another process kept a project's lock file for too long.
var ErrLockHeld = errors.New("lock file is held by another process")

// Lock is a project's zoo.lock: which plugins a model was built with. A first
// use is recorded; a later one that is unequal is refused. External plugins are
// held by the sum of their binary, a sum for each platform, and by the sum of
// every function they built; built-ins, which come with the zoo itself, by
// variant revision and functions only.
//
// The file is written at once after each new record, whole or not at all, and
// merged with what other processes wrote meanwhile. A nil *Lock locks nothing; one
// without a file, see [NewLock], holds for as long as the program runs.
type Lock struct {
	path string // empty without a file
	log  *slog.Logger

	mu    sync.Mutex
	state lockFile
	raw   []byte // as read or written last
}

// lockFile is the content; maps are written with sorted keys.
type lockFile struct {
	Format    int                      `json:"format"`
	Providers map[string]*lockProvider `json:"providers"`
}

type lockProvider struct {
	Builtin   bool                    `json:"builtin,omitempty"`
	Version   string                  `json:"version,omitempty"`
	Protocol  int                     `json:"protocol,omitempty"`
	Platforms map[string]string       `json:"platforms,omitempty"` // "linux_amd64": "sha256:…" of the binary
	Variants  map[string]*lockVariant `json:"variants,omitempty"`  // "router switch"
}

type lockVariant struct {
	Revision  uint32         `json:"revision"`
	Functions []lockFunction `json:"functions"`
}

// lockFunction is one answer: what was asked, and the digest of what came.
type lockFunction struct {
	Config json.RawMessage  `json:"config"`
	Dims   map[string]int64 `json:"dims"`
	SHA256 string           `json:"function_sha256"`
}

// NewLock is a lock without a file: outside of a project it holds a program to what it
// used first, and is what a checkpoint keeps.
func NewLock() *Lock {
	return &Lock{log: slog.Default(), state: lockFile{Format: lockFormat, Providers: map[string]*lockProvider{}}}
}

// OpenLock reads the lock file of a project's root; a missing one is empty and
// is made at the first record. log gets the notes; nil is slog.Default.
func OpenLock(root string, log *slog.Logger) (*Lock, error) {
	if log == nil {
		log = slog.Default()
	}
	l := &Lock{path: filepath.Join(root, LockName), log: log}
	if err := l.read(); err != nil {
		return nil, err
	}
	return l, nil
}

// Path is the file's path, "" without a file.
func (l *Lock) Path() string { return l.path }

// Bytes is the file's content as of the last read or record, for a checkpoint.
func (l *Lock) Bytes() []byte {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]byte(nil), l.raw...)
}

// read loads the file into l.state.
func (l *Lock) read() error {
	raw, err := readBounded(l.path, maxLockBytes)
	if errors.Is(err, fs.ErrNotExist) {
		l.state, l.raw = lockFile{Format: lockFormat, Providers: map[string]*lockProvider{}}, nil
		return nil
	}
	if err != nil {
		return err
	}
	state, err := parseLock(raw)
	if err != nil {
		return &InputError{Detail: l.path + ": " + err.Error(), Hint: "restore it from version control, or remove it to record anew"}
	}
	l.state, l.raw = *state, raw
	return nil
}

// parseLock reads and checks a lock file.
func parseLock(raw []byte) (*lockFile, error) {
	var state lockFile
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&state); err != nil {
		return nil, fmt.Errorf("it is not a lock file: %w", err)
	}
	if state.Format != lockFormat {
		return nil, fmt.Errorf("it has format %d; this zoo reads %d", state.Format, lockFormat)
	}
	if state.Providers == nil {
		state.Providers = map[string]*lockProvider{}
	}
	for name, p := range state.Providers {
		if p == nil || !providerName.MatchString(name) {
			return nil, fmt.Errorf("provider %q is not usable", cleanLine(name, 80))
		}
		for variant, v := range p.Variants {
			if v == nil {
				return nil, fmt.Errorf("variant %q of %s is empty", cleanLine(variant, 80), name)
			}
			for i := range v.Functions {
				config, _, err := canonicalConfig(v.Functions[i].Config)
				if err != nil {
					return nil, fmt.Errorf("variant %q of %s: %w", cleanLine(variant, 80), name, err)
				}
				v.Functions[i].Config = config
			}
		}
	}
	return &state, nil
}

// Version is the version of an external provider that the lock records, "" for none.
func (l *Lock) Version(name string) string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.state.Providers[name]; p != nil {
		return p.Version
	}
	return ""
}

// Locked is what a lock records of one provider.
type Locked struct {
	Name      string            `json:"name"`
	Builtin   bool              `json:"builtin,omitempty"`
	Version   string            `json:"version,omitempty"`
	Platforms map[string]string `json:"platforms,omitempty"` // "linux_amd64": "sha256:…" of the binary
	Functions int               `json:"functions"`           // built so far
}

// List is what the lock records, by name.
func (l *Lock) List() []Locked {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []Locked{}
	for _, name := range slices.Sorted(maps.Keys(l.state.Providers)) {
		p := l.state.Providers[name]
		functions := 0
		for _, v := range p.Variants {
			functions += len(v.Functions)
		}
		out = append(out, Locked{name, p.Builtin, p.Version, maps.Clone(p.Platforms), functions})
	}
	return out
}

// name is how messages call the lock.
func (l *Lock) name() string {
	if l.path == "" {
		return "this program's first use"
	}
	return l.path
}

// refusal words an unequal sum.
func (l *Lock) refusal(name, op, detail string) error {
	return &Error{Plugin: name, Op: op, Detail: detail, Hint: "to accept the new one: zoo plugin lock --update " + name}
}

// checkBinary refuses a binary whose sum is not the recorded one.
func (l *Lock) checkBinary(name, path, sum string) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.state.Providers[name]
	if p == nil {
		return nil
	}
	if p.Builtin {
		return l.refusal(name, "lock", fmt.Sprintf("%s records %s as a built-in, now it is %s", l.name(), name, path))
	}
	if want, ok := p.Platforms[platform()]; ok && want != "sha256:"+sum {
		return l.refusal(name, "lock", fmt.Sprintf("%s has sha256:%s, %s records %s for %s", path, sum, l.name(), want, platform()))
	}
	return nil
}

// recordBinary notes an external plugin's binary for this platform.
func (l *Lock) recordBinary(d *Description, path, sum string) error {
	if l == nil {
		return nil
	}
	added := false
	err := l.change(func(s *lockFile) (bool, error) {
		p := s.Providers[d.Provider]
		if p == nil {
			p = &lockProvider{}
			s.Providers[d.Provider] = p
		}
		have, known := p.Platforms[platform()]
		if known && have != "sha256:"+sum {
			return false, l.refusal(d.Provider, "lock", fmt.Sprintf("%s has sha256:%s, %s records %s for %s", path, sum, l.name(), have, platform()))
		}
		if known {
			return false, nil
		}
		added = len(p.Platforms) > 0
		if !added {
			p.Platforms = map[string]string{}
		}
		p.Platforms[platform()] = "sha256:" + sum
		p.Version, p.Protocol = d.Version, d.Protocol
		return true, nil
	})
	if err == nil && added {
		l.log.Info("plugin is new on this platform; its sum was added to the lock", "plugin", d.Provider, "platform", platform(), "file", l.path)
	}
	return err
}

// function compares a built answer with the record, or records it.
func (l *Lock) function(b *Built) error {
	if l == nil {
		return nil
	}
	return l.change(func(s *lockFile) (bool, error) {
		p := s.Providers[b.Provider]
		if p == nil {
			p = &lockProvider{Builtin: b.Builtin}
			s.Providers[b.Provider] = p
		}
		if p.Builtin != b.Builtin {
			return false, l.refusal(b.Provider, "lock", fmt.Sprintf("%s records built-in %v for %s, now it is %v", l.name(), p.Builtin, b.Provider, b.Builtin))
		}
		key := string(b.Variant.Kind) + " " + b.Variant.Name
		v := p.Variants[key]
		if v == nil {
			if p.Variants == nil {
				p.Variants = map[string]*lockVariant{}
			}
			v = &lockVariant{Revision: b.Variant.Revision}
			p.Variants[key] = v
		}
		if v.Revision != b.Variant.Revision {
			return false, l.refusal(b.Provider, "lock", fmt.Sprintf("%s is revision %d, %s records revision %d", b.Name(), b.Variant.Revision, l.name(), v.Revision))
		}
		return l.sum(v, b)
	})
}

// sum compares one function's sum, or adds it.
func (l *Lock) sum(v *lockVariant, b *Built) (bool, error) {
	for _, f := range v.Functions {
		if !sameQuestion(f, b) {
			continue
		}
		if f.SHA256 != "sha256:"+b.Digest {
			return false, l.refusal(b.Provider, "lock", fmt.Sprintf("%s with config %s builds sha256:%s, %s records %s",
				b.Name(), b.Config, b.Digest, l.name(), f.SHA256))
		}
		return false, nil
	}
	v.Functions = append(v.Functions, lockFunction{Config: b.Config, Dims: b.Dims, SHA256: "sha256:" + b.Digest})
	sort.Slice(v.Functions, func(i, j int) bool { return questionKey(v.Functions[i]) < questionKey(v.Functions[j]) })
	return true, nil
}

func sameQuestion(f lockFunction, b *Built) bool {
	return questionKey(f) == questionKey(lockFunction{Config: b.Config, Dims: b.Dims})
}

func questionKey(f lockFunction) string {
	dims, _ := json.Marshal(f.Dims)
	return string(f.Config) + "\x00" + string(dims)
}

// Forget drops what is recorded of a provider, so that its next use is recorded
// anew: "zoo plugin lock --update NAME".
func (l *Lock) Forget(name string) error {
	return l.change(func(s *lockFile) (bool, error) {
		if s.Providers[name] == nil {
			names := make([]string, 0, len(s.Providers))
			for n := range s.Providers {
				names = append(names, n)
			}
			return false, &InputError{Detail: fmt.Sprintf("%s records no plugin %s", l.path, cleanLine(name, 80)), Hint: didYouMean(name, names)}
		}
		delete(s.Providers, name)
		return true, nil
	})
}

// change applies f to the newest content of the file, and writes the file if f
// says that it changed anything.
func (l *Lock) change(f func(*lockFile) (bool, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// In most runs nothing is new: then the file need not be touched.
	if changed, err := f(cloneLock(&l.state)); err != nil || !changed {
		return err
	}
	if l.path != "" {
		release, err := lockDir(filepath.Dir(l.path), lockPatience)
		if err != nil {
			return fmt.Errorf("%s: %w", l.path, err)
		}
		defer release()
		if err := l.read(); err != nil {
			return err
		}
	}
	state := cloneLock(&l.state)
	changed, err := f(state)
	if err != nil || !changed {
		return err
	}
	raw, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	raw = append(raw, '\n')
	if l.path != "" {
		if err := whole.Write(l.path, raw); err != nil {
			return fmt.Errorf("lock file: %w", err)
		}
	}
	l.state, l.raw = *state, raw
	return nil
}

// cloneLock is a deep copy.
func cloneLock(s *lockFile) *lockFile {
	raw, err := json.Marshal(s)
	if err != nil {
		panic("plugins: lock state does not marshal: " + err.Error())
	}
	c, err := parseLock(raw)
	if err != nil {
		panic("plugins: lock state does not parse: " + err.Error())
	}
	return c
}
