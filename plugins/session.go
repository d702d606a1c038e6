package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/moezoo/moezoo/plugins/wire"
)

// errBadAddress marks a handshake that names a socket outside the provider's own
// folder.
var errBadAddress = errors.New("bad handshake address")

// errDied marks a provider that went away in the middle of a call; a fresh
// process may do better.
var errDied = errors.New("plugin died")

// Timeouts bound what a provider may take. A zero field means the default.
type Timeouts struct {
	Start    time.Duration // until the handshake; 10 s
	Describe time.Duration // 5 s
	Build    time.Duration // 30 s
	Kill     time.Duration // polite shutdown, before SIGKILL to the group; 3 s
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&t.Start, 10 * time.Second}, {&t.Describe, 5 * time.Second}, {&t.Build, 30 * time.Second}, {&t.Kill, 3 * time.Second}} {
		if *d.at == 0 {
			*d.at = d.def
		}
	}
	return t
}

// caller is a provider that can be asked, in a process or in this one.
type caller interface {
	describe(ctx context.Context) (*wire.DescribeResponse, error)
	build(ctx context.Context, req *wire.BuildRequest) (*wire.BuildResponse, error)
	close()
}

// session is a provider process and the connection to it.
type session struct {
	name     string // in errors
	client   *plugin.Client
	service  wire.ProviderClient
	proc     *process
	stderr   *tailBuffer
	timeouts Timeouts
	once     sync.Once
}

// startSession starts a provider and shakes hands. On failure no process is
// left.
func startSession(name string, c command, runPath string, t Timeouts, log *slog.Logger) (*session, error) {
	s := &session{name: name, stderr: &tailBuffer{limit: stderrTail}, timeouts: t}
	s.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          plugin.PluginSet{serviceName: &grpcService{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc:       runnerFunc(c, &s.proc),
		StartTimeout:     t.Start,
		SkipHostEnv:      true,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: runPath},
		Stderr:           s.stderr,
		SyncStdout:       lineLogger{log},
		SyncStderr:       io.MultiWriter(s.stderr, lineLogger{log}),
		Logger:           newHCLogger(log),
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessage), grpc.ForceCodecV2(newBudgetCodec()))},
	})
	rpc, err := s.client.Client()
	if err != nil {
		s.close()
		return nil, s.startError(err)
	}
	raw, err := rpc.Dispense(serviceName)
	if err != nil {
		s.close()
		return nil, s.startError(err)
	}
	s.service = raw.(wire.ProviderClient)
	return s, nil
}

// startError says why no handshake came about. It goes by what the process did,
// not by go-plugin's text, which guesses.
func (s *session) startError(err error) *Error {
	e := &Error{Plugin: s.name, Op: "start", Err: err}
	if s.proc == nil || s.proc.pid == 0 {
		e.Detail = "it cannot be executed: " + cleanLine(err.Error(), maxTextBytes)
		e.Hint = "is it an executable for this machine?"
		return e
	}
	e.Stderr = s.stderr.tail()
	line := cleanLine(s.proc.printed(), 200)
	fields := strings.Split(line, "|")
	switch {
	case errors.Is(err, errBadAddress):
		e.Detail = "it was refused: " + strings.TrimPrefix(err.Error(), errBadAddress.Error()+": ")
	case strings.Contains(err.Error(), "incompatible API version"):
		e.Detail = fmt.Sprintf("it speaks plugin protocol %s, this zoo speaks %d", fields[1], ProtocolVersion)
		e.Hint = "upgrade the one that is older: zoo, or the plugin"
	case len(fields) >= 4:
		e.Detail = fmt.Sprintf("its handshake %q was not accepted: %s", line, cleanLine(err.Error(), maxTextBytes))
	case line != "":
		e.Detail = fmt.Sprintf("it printed %q on stdout before the handshake", line)
		e.Hint = "a plugin must write nothing to stdout; use stderr"
	case strings.Contains(err.Error(), "timeout"):
		e.Detail = fmt.Sprintf("no handshake within %v; it was stopped", s.timeouts.Start)
	case strings.Contains(e.Stderr, "This binary is a plugin"):
		e.Detail = fmt.Sprintf("it does not accept the zoo's magic cookie (%s)", s.proc.state)
		e.Hint = "it is a plugin for another program, or built for an incompatible zoo"
	default:
		e.Detail = fmt.Sprintf("it ended before the handshake (%s)", s.proc.state)
		if e.Stderr == "" {
			e.Hint = "is it a zoo plugin?"
		}
	}
	return e
}

func (s *session) describe(ctx context.Context) (*wire.DescribeResponse, error) {
	return ask(ctx, s.name, "describe", s.timeouts.Describe, s.callError, func(ctx context.Context) (*wire.DescribeResponse, error) {
		return s.service.Describe(ctx, &wire.DescribeRequest{HostVersion: hostVersion()})
	})
}

func (s *session) build(ctx context.Context, req *wire.BuildRequest) (*wire.BuildResponse, error) {
	return ask(ctx, s.name, "build "+req.Variant, s.timeouts.Build, s.callError, func(ctx context.Context) (*wire.BuildResponse, error) {
		return s.service.Build(ctx, req)
	})
}

// ask makes one call with a deadline; fault words its failure.
func ask[T any](ctx context.Context, name, op string, limit time.Duration,
	fault func(op string, limit time.Duration, err error) *Error, call func(context.Context) (T, error),
) (T, error) {
	cctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := call(cctx)
	if err == nil {
		return r, nil
	}
	var zero T
	if ctx.Err() != nil {
		return zero, fmt.Errorf("plugin %s: %s: %w", name, op, ctx.Err())
	}
	return zero, fault(op, limit, err)
}

// callError words a failed call. A provider that hung or lost its connection is
// ended.
func (s *session) callError(op string, limit time.Duration, err error) *Error {
	e := &Error{Plugin: s.name, Op: op, Err: err}
	st := status.Convert(err)
	switch st.Code() {
	case codes.DeadlineExceeded:
		e.Detail = fmt.Sprintf("no answer within %v; it was stopped", limit)
		e.Err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
		s.kill()
	case codes.Unavailable:
		e.Err = fmt.Errorf("%w: %w", errDied, err)
		e.Detail = "it closed its connection and was stopped"
		if waitFor(s.proc.exited, exitGrace) {
			e.Detail = fmt.Sprintf("it died (%s)", s.proc.state)
		}
		s.kill()
	default:
		e.word(st.Code(), cleanLine(st.Message(), maxTextBytes))
		if e.panicked {
			s.stderr.await("goroutine ", "Traceback ") // the stack comes another way than the answer
			waitFor(s.stderr.idle(), exitGrace)
		} else if st.Code() != codes.Unimplemented {
			return e // stderr says nothing about it
		}
	}
	e.Stderr = s.stderr.tail()
	return e
}

// word says what went wrong in a call that the provider lived through.
func (e *Error) word(code codes.Code, text string) {
	switch {
	case code == codes.ResourceExhausted && strings.Contains(text, "larger than max"):
		e.Detail = fmt.Sprintf("its answer is larger than the %d MiB allowed", maxMessage>>20)
	case code == codes.Unimplemented:
		e.Detail = "it does not know this call"
		e.Hint = "it was built for another protocol; upgrade it"
	case strings.HasPrefix(text, "panic: "):
		e.panicked = true
		e.Detail = "it panicked: " + strings.TrimPrefix(text, "panic: ")
	case strings.HasPrefix(text, "grpc: ") || strings.Contains(text, "unmarshal"):
		e.Detail = "its answer cannot be read: " + strings.TrimPrefix(text, "grpc: ")
	default:
		e.Detail = text // an error that the plugin worded itself
	}
}

// kill ends the process and its group now.
func (s *session) kill() {
	_ = s.proc.Kill(context.Background())
	waitFor(s.proc.exited, exitGrace)
	waitFor(s.stderr.idle(), exitGrace)
}

// close ends the provider: politely, and after Timeouts.Kill with SIGKILL to its
// group. go-plugin's own Kill waits for ever for a process that is stopped.
func (s *session) close() {
	s.once.Do(func() {
		done := make(chan struct{})
		go func() { s.client.Kill(); close(done) }()
		if !waitFor(done, s.timeouts.Kill) && s.proc != nil {
			_ = s.proc.Kill(context.Background())
			waitFor(done, s.timeouts.Kill)
		}
	})
}

// waitFor reports whether c was closed within d.
func waitFor(c <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return false
	}
}
