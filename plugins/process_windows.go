package plugins

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"time"

	hclog "github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin/runner"
)

// processesSupported says that providers can run as processes here.
const processesSupported = false

const exitGrace = 500 * time.Millisecond

var errNoProcesses = errors.New("plugins as processes are not supported on Windows; built-in variants are")

type command struct {
	path string
	file *os.File
	env  []string
}

type process struct {
	pid    int
	state  string
	exited chan struct{}
}

func (p *process) printed() string { return "" }

// Kill has nothing to end.
func (p *process) Kill(context.Context) error { return nil }

func runnerFunc(command, **process) func(hclog.Logger, *exec.Cmd, string) (runner.Runner, error) {
	return func(hclog.Logger, *exec.Cmd, string) (runner.Runner, error) { return nil, errNoProcesses }
}

type runDir struct{ root, path string }

func runRoot() string { return "" }

func newRunDir(string) (*runDir, error) { return nil, errNoProcesses }

func (r *runDir) close() {}

func watchHost() {}

func lockDir(string, time.Duration) (func(), error) { return func() {}, nil }

// verifyProcess has no process to start.
func (p *provider) verifyProcess(_ context.Context, r *Report) {
	r.add("starts and ends as a process", skipped(errNoProcesses.Error()))
}
