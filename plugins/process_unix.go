//go:build unix

package plugins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	hclog "github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin/runner"
)

// processesSupported says that providers can run as processes here.
const processesSupported = true

// firstLineLimit bounds what is read in search of the handshake, in bytes.
const firstLineLimit = 4 << 10

// exitGrace is how long a process that closed its stdout or its connection may
// take to be gone, before it counts as alive.
const exitGrace = 2 * time.Second

// process is one provider process: started in a group of its own, without the
// host's stdin and environment, and ended with its whole group. It implements
// go-plugin's runner.Runner.
type process struct {
	command   command
	cmd       *exec.Cmd
	socketDir string
	stdout    io.ReadCloser
	stderr    io.ReadCloser
	pid       int
	exited    chan struct{} // closed once the process is gone
	state     string        // how it ended; valid after exited

	mu        sync.Mutex
	firstLine string // what it printed first on stdout
}

// command says what to run.
type command struct {
	path string   // shown to people, and argv[0]
	file *os.File // the opened, hashed file to execute; nil: this program itself
	env  []string
}

var _ runner.Runner = (*process)(nil)

func newProcess(c command, env []string, socketDir string) *process {
	cmd := &exec.Cmd{Path: c.path, Args: []string{c.path}}
	cmd.Env = append(append([]string{}, c.env...), env...)
	cmd.SysProcAttr = processAttributes()
	if c.file == nil {
		cmd.Path = selfPath(c.path)
	} else if p := descriptorPath(3); p != "" {
		// Executing the descriptor that was hashed: a file swapped in under the
		// same name after hashing is not run.
		cmd.Path, cmd.ExtraFiles = p, []*os.File{c.file}
	}
	return &process{command: c, cmd: cmd, socketDir: socketDir, exited: make(chan struct{})}
}

// Start implements runner.Runner.
func (p *process) Start(context.Context) error {
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		outR.Close()
		outW.Close()
		return err
	}
	p.cmd.Stdout, p.cmd.Stderr = outW, errW // files: Wait does not wait for their readers
	p.stdout, p.stderr = p.handshakeOnly(outR), errR
	started := make(chan error, 1)
	go p.runLocked(started, outW, errW)
	if err := <-started; err != nil {
		outR.Close()
		errR.Close()
		return err
	}
	return nil
}

// runLocked starts the process and stays with it. The thread is locked because
// the signal that Linux sends on the parent's death follows the thread that
// started the child.
func (p *process) runLocked(started chan<- error, pipes ...*os.File) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	for _, f := range pipes {
		f.Close()
	}
	if err != nil {
		p.state = "did not start"
		close(p.exited)
		started <- err
		return
	}
	p.pid = p.cmd.Process.Pid
	started <- nil
	_ = p.cmd.Wait()
	p.state = p.cmd.ProcessState.String()
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // what it started itself, if anything
	close(p.exited)
}

// handshakeOnly hands go-plugin the first line of stdout and drains the rest, so
// that a plugin that prints is neither blocked nor heard.
func (p *process) handshakeOnly(r io.ReadCloser) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() {
		defer r.Close()
		br := bufio.NewReaderSize(r, firstLineLimit)
		line, err := br.ReadSlice('\n')
		p.mu.Lock()
		p.firstLine = string(line)
		p.mu.Unlock()
		if len(line) > 0 {
			_, _ = pw.Write([]byte(strings.TrimRight(p.printed(), "\r\n") + "\n"))
		}
		if err == nil || errors.Is(err, bufio.ErrBufferFull) {
			_, _ = io.Copy(io.Discard, br)
		} else {
			// It closed stdout without a word, most likely by exiting: let that
			// happen, so that its exit code is known and not our SIGKILL.
			select {
			case <-p.exited:
			case <-time.After(exitGrace):
			}
		}
		pw.Close()
	}()
	return pr
}

// printed is the first line the process wrote to stdout.
func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.firstLine
}

// Wait implements runner.AttachedRunner.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return nil
}

// Kill implements runner.AttachedRunner: SIGKILL to the whole group.
func (p *process) Kill(context.Context) error {
	if p.pid == 0 {
		return nil
	}
	err := syscall.Kill(-p.pid, syscall.SIGKILL)
	if err == syscall.ESRCH {
		return nil
	}
	return err
}

// PluginToHost implements runner.AddrTranslator. It refuses an address that is
// not a socket in the folder this process was given: the host must not be led to
// connect elsewhere.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	fail := func(why string) (string, string, error) {
		return "", "", fmt.Errorf("%w: it answered from %s %q, %s", errBadAddress, cleanLine(network, 20), cleanLine(addr, 200), why)
	}
	if network != "unix" {
		return fail("a unix socket was expected")
	}
	if filepath.Dir(filepath.Clean(addr)) != filepath.Clean(p.socketDir) {
		return fail("which is outside its socket folder")
	}
	if fi, err := os.Lstat(addr); err != nil || fi.Mode().Type() != os.ModeSocket {
		return fail("which is no socket")
	}
	return network, addr, nil
}

// HostToPlugin implements runner.AddrTranslator.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

// Diagnose implements runner.Runner: the host words its errors itself.
func (p *process) Diagnose(context.Context) string { return "" }

// Stdout implements runner.Runner.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// Stderr implements runner.Runner.
func (p *process) Stderr() io.ReadCloser { return p.stderr }

// Name implements runner.Runner.
func (p *process) Name() string { return p.command.path }

// ID implements runner.Runner.
func (p *process) ID() string { return strconv.Itoa(p.pid) }

// runnerFunc gives go-plugin this process in place of its own.
func runnerFunc(c command, out **process) func(hclog.Logger, *exec.Cmd, string) (runner.Runner, error) {
	return func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
		*out = newProcess(c, cmd.Env, dir)
		return *out, nil
	}
}
