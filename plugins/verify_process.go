//go:build unix

package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	plugin "github.com/hashicorp/go-plugin"
)

// leaveLimit is how long a provider may take to end once it has to.
const leaveLimit = 15 * time.Second

// verifyProcess starts the provider's program in ways that a host does not, and ends it in
// several. Each start is a process of its own, so all are made at once.
func (p *provider) verifyProcess(ctx context.Context, r *Report) {
	checks := []struct {
		name string
		run  func(context.Context) error
	}{
		{"started by hand, says what it is and ends", p.byHand},
		{"tells a host of another protocol its own", p.otherProtocol},
		{"ends at SIGTERM", p.endsAtTerm},
		{"ends when its host is gone", p.endsWithHost},
		{"ends when asked", p.endsWhenAsked},
	}
	errs := make([]error, len(checks))
	if why := p.noProcess(); why != "" {
		for i := range errs {
			errs[i] = skipped(why)
		}
	} else {
		var wait sync.WaitGroup
		for i, c := range checks {
			wait.Go(func() { errs[i] = c.run(ctx) })
		}
		wait.Wait()
	}
	for i, c := range checks {
		r.add(c.name, errs[i])
	}
}

// noProcess says why the provider has no process that could be ended, "" if it has.
func (p *provider) noProcess() string {
	if p.found.attached != nil {
		return "a person's process is not ended"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, in := p.caller.(*inProcess); in {
		return "it runs in this process"
	}
	return ""
}

// bare starts the program without a host behind it, with further variables, and waits until
// it ends or has printed a line. It is gone afterwards.
func (p *provider) bare(ctx context.Context, env ...string) (line, said, state string, err error) {
	c, done, err := p.program()
	if err != nil {
		return "", "", "", err
	}
	defer done()
	dir, err := os.MkdirTemp("", "zoo-verify")
	if err != nil {
		return "", "", "", err
	}
	defer os.RemoveAll(dir)
	c.env = append(append(providerEnv(), p.h.cfg.Env...), c.env...)
	proc := newProcess(c, append(env, plugin.EnvUnixSocketDir+"="+dir), dir)
	if err := proc.Start(ctx); err != nil {
		return "", "", "", err
	}
	stderr := &tailBuffer{limit: stderrTail}
	go func() { _, _ = io.Copy(stderr, proc.Stderr()) }()
	printed := make(chan struct{})
	go func() {
		buf := make([]byte, 1)
		_, _ = proc.Stdout().Read(buf) // comes with the first line, or at the end
		close(printed)
		_, _ = io.Copy(io.Discard, proc.Stdout())
	}()
	timedOut := !waitFor(printed, p.h.cfg.Timeouts.Start)
	if proc.printed() == "" {
		waitFor(proc.exited, exitGrace)
	}
	select {
	case <-proc.exited:
	default:
		_ = proc.Kill(ctx)
		waitFor(proc.exited, leaveLimit)
		if !timedOut {
			return cleanLine(proc.printed(), 200), stderr.tail(), "", nil
		}
		return "", "", "", fmt.Errorf("it neither ended nor said anything within %v", p.h.cfg.Timeouts.Start)
	}
	waitFor(stderr.idle(), exitGrace)
	return cleanLine(proc.printed(), 200), stderr.tail(), proc.state, nil
}

// byHand starts the program without the cookie, as a person would.
func (p *provider) byHand(ctx context.Context) error {
	if p.found.Source == SourceBuiltin {
		return skipped("its program is zoo itself")
	}
	line, said, state, err := p.bare(ctx)
	switch {
	case err != nil:
		return err
	case strings.Count(line, "|") >= 4:
		return fmt.Errorf("it answers with a handshake, %q, though no zoo has started it", line)
	case state == "":
		return fmt.Errorf("it goes on after %q", line)
	case state == "exit status 0":
		return errors.New("it ends with exit status 0, as if it had done something")
	case said == "" && line == "":
		return errors.New("it ends without a word")
	}
	return nil
}

// otherProtocol is a host that speaks only a protocol which there is not.
func (p *provider) otherProtocol(ctx context.Context) error {
	line, _, state, err := p.bare(ctx, handshake.MagicCookieKey+"="+handshake.MagicCookieValue, "PLUGIN_PROTOCOL_VERSIONS=4711")
	fields := strings.Split(line, "|")
	switch {
	case err != nil:
		return err
	case state != "" && line == "":
		return nil // it refuses, too
	case len(fields) < 4 || fields[1] == "4711":
		return fmt.Errorf("it answers %q to a host of protocol 4711", line)
	}
	return nil
}

// another starts one more process of the provider, described.
func (p *provider) another(ctx context.Context, env ...string) (*session, error) {
	c, done, err := p.program()
	if err != nil {
		return nil, err
	}
	defer done()
	c.env = append(c.env, env...)
	started, err := p.h.startProcess(p.found.Name, c)
	if err != nil {
		return nil, err
	}
	s := started.(*session)
	if _, err := s.describe(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// leaves waits for a process to end, and ends it where it does not.
func (s *session) leaves(why string) error {
	start := time.Now()
	gone := waitFor(s.proc.exited, leaveLimit)
	took := time.Since(start).Round(time.Millisecond)
	s.close()
	if !gone {
		return fmt.Errorf("it still ran %v after %s, and was killed", took, why)
	}
	return nil
}

func (p *provider) endsAtTerm(ctx context.Context) error {
	s, err := p.another(ctx)
	if err != nil {
		return err
	}
	if err := syscall.Kill(s.proc.pid, syscall.SIGTERM); err != nil {
		return err
	}
	return s.leaves("SIGTERM")
}

// endsWithHost tells the provider of another process as its host, and ends that one. The
// kernel's own signal at the parent's death, which only Linux has, is not in play.
func (p *provider) endsWithHost(ctx context.Context) error {
	host := exec.Command("/bin/sh", "-c", "read line")
	in, err := host.StdinPipe()
	if err != nil {
		return err
	}
	if err := host.Start(); err != nil {
		return err
	}
	s, err := p.another(ctx, fmt.Sprintf("%s=%d", envHostPID, host.Process.Pid), envRunRoot+"=")
	in.Close()
	_ = host.Wait() // gone, and no zombie
	if err != nil {
		return err
	}
	return s.leaves("its host, the process of $" + envHostPID + ", had ended")
}

// endsWhenAsked asks the process that answered so far to end, and sees that it needs no
// SIGKILL.
func (p *provider) endsWhenAsked(ctx context.Context) error {
	s, err := p.another(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	s.close()
	if !waitFor(s.proc.exited, exitGrace) || strings.Contains(s.proc.state, "killed") {
		return fmt.Errorf("it had to be killed after %v", time.Since(start).Round(time.Millisecond))
	}
	return nil
}
