package plugins

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// start makes a caller: in this process, this program started again, a provider that
// runs already, or the plugin's binary. It returns the binary's sum and size.
func (p *provider) start() (caller, string, int64, error) {
	f, h := p.found, p.h
	if f.Source == SourceBuiltin {
		if why := h.whyInProcess(); why != "" {
			h.log.Info("built-in plugin runs in this process", "plugin", f.Name, "why", why)
			return &inProcess{name: f.Name, p: registered(f.Name), timeouts: h.cfg.Timeouts}, "", 0, nil
		}
	} else if f.attached != nil {
		c, err := attach(f.Name, *f.attached, h.cfg.Timeouts)
		return c, "", 0, err
	}
	c, done, err := p.program()
	if err != nil {
		return nil, "", 0, &Error{Plugin: f.Name, Op: "start", Detail: err.Error(), Err: err}
	}
	defer done()
	if c.file == nil {
		s, err := h.startProcess(f.Name, c)
		return s, "", 0, err
	}
	sum, size, err := hashFile(c.file)
	if err != nil {
		return nil, "", 0, &Error{Plugin: f.Name, Op: "start", Detail: err.Error(), Err: err}
	}
	if err := p.checkSum(sum); err != nil {
		return nil, "", 0, err
	}
	h.log.Info("starting plugin; it runs with your rights", "plugin", f.Name, "path", f.Path, "sha256", sum)
	s, err := h.startProcess(f.Name, c)
	return s, sum, size, err
}

// program is what to start: this program again for a built-in, else the plugin's file, which
// done closes.
func (p *provider) program() (c command, done func(), err error) {
	if p.found.Source == SourceBuiltin {
		exe, err := os.Executable()
		return command{path: exe, env: []string{envProvider + "=" + p.found.Name}}, func() {}, err
	}
	file, err := os.Open(p.found.Path)
	if err != nil {
		return command{}, nil, err
	}
	return command{path: p.found.Path, file: file}, func() { file.Close() }, nil
}

// checkSum compares a binary's sum with the manifest beside it and with the lock,
// before anything of it runs.
func (p *provider) checkSum(sum string) error {
	f := p.found
	if f.Source.unlocked() {
		return nil
	}
	if f.SHA256 != "" && f.SHA256 != sum {
		return &Error{
			Plugin: f.Name, Op: "start",
			Detail: fmt.Sprintf("%s has sha256 %s, its manifest says %s", f.Path, sum, f.SHA256),
			Hint:   "if you changed it yourself: zoo plugin install " + f.Path,
		}
	}
	return p.h.cfg.Lock.checkBinary(f.Name, f.Path, sum)
}

// startProcess starts a provider process in this host's socket folder.
func (h *Host) startProcess(name string, c command) (caller, error) {
	h.mu.Lock()
	var err error
	if h.run == nil {
		root := h.cfg.RunRoot
		if root == "" {
			root = runRoot()
		}
		h.run, err = newRunDir(root)
	}
	run := h.run
	h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	own := []string{fmt.Sprintf("%s=%d", envHostPID, os.Getpid()), envRunRoot + "=" + run.root}
	c.env = slices.Concat(providerEnv(), h.cfg.Env, own, c.env)
	s, err := startSession(name, c, run.path, h.cfg.Timeouts, h.log.With("plugin", name))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// providerEnv is what a provider sees of this program's environment: what a
// program needs to run, and what is meant for the zoo. Credentials stay here.
func providerEnv() []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case name == envProvider || name == handshake.MagicCookieKey:
		case name == "PATH" || name == "HOME" || name == "TMPDIR" || strings.HasPrefix(name, "ZOO_"):
			out = append(out, kv)
		}
	}
	return out
}

// whyInProcess says why built-ins cannot or shall not have a process of their
// own, "" if they can.
func (h *Host) whyInProcess() string {
	switch {
	case h.cfg.InProcess:
		return "it was asked for"
	case !processesSupported:
		return "plugin processes are not supported on this system"
	case !mayStartSelf.Load():
		return "main does not begin with plugins.Serve, so the program cannot start itself as a plugin"
	}
	return ""
}
