//go:build unix

package plugins

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startDebugged starts a provider as a person does who debugs it, and returns it with the
// value of the variable that it prints.
func startDebugged(t *testing.T, name string, env ...string) (*exec.Cmd, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), binaryPrefix+name)
	linkSelf(t, path)
	cmd := exec.Command(path, "debug")
	cmd.Env = append(append(os.Environ(), "ZOO_TEST_NAME="+name, "TMPDIR="+shortDir(t)), env...)
	cmd.Stderr = new(bytes.Buffer)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	value, ok := strings.CutPrefix(strings.TrimSpace(line), "export ZOO_REATTACH_PROVIDERS='")
	if err != nil || !ok {
		t.Fatalf("it printed %q, %v", line, err)
	}
	return cmd, strings.TrimSuffix(value, "'")
}

// buildAttached asks an attached provider for its router with a host of its own.
func buildAttached(t *testing.T, name string, c Config) (*Built, string, error) {
	t.Helper()
	h, log := testHost(t, c)
	b, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: name + "/pick", Dims: dims8})
	h.Close()
	return b, log.String(), err
}

func TestAnAttachedProviderIsAskedAndLivesOn(t *testing.T) {
	cmd, value := startDebugged(t, "away")
	var at attachment
	if all, err := parseAttachments(value); err != nil {
		t.Fatal(err)
	} else if at = all["away"]; at.Pid != cmd.Process.Pid {
		t.Errorf("it is process %d and says %d", cmd.Process.Pid, at.Pid)
	}
	t.Setenv(envReattach, value)
	project := t.TempDir()
	lock, err := OpenLock(project, nil)
	if err != nil {
		t.Fatal(err)
	}
	root := shortDir(t)
	for range 2 { // the second host finds what the first one let go of
		b, log, err := buildAttached(t, "away", Config{Lock: lock, RunRoot: root})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b.Response.Train), "function pick") || !strings.Contains(log, "plugin runs unlocked ("+envReattach+")") {
			t.Errorf("got %q\n%s", b.Response.Train, log)
		}
	}
	if left, _ := os.ReadDir(root); len(left) > 0 {
		t.Errorf("a process was started: %v", left)
	}
	if _, err := os.Stat(filepath.Join(project, LockName)); err == nil {
		t.Error("the lock recorded it")
	}
	h, _ := testHost(t, Config{})
	if r, err := h.Verify(context.Background(), "away", nil); err != nil || !r.OK() {
		t.Errorf("verify: %+v, %v", r, err)
	}
	h.Close()
	if !processExists(cmd.Process.Pid) {
		t.Fatal("it was ended")
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil || cmd.Stderr.(*bytes.Buffer).Len() > 0 {
		t.Errorf("interrupted, it ended with %v\n%s", err, cmd.Stderr)
	}
	if _, err := os.Stat(at.Address); err == nil {
		t.Error("it left its socket")
	}
	want := fmt.Sprintf(`plugin away: attach: nobody listens at unix %s, where process %d should (…)
  ZOO_REATTACH_PROVIDERS names it: start the provider again and set the variable anew, or unset it`, at.Address, at.Pid)
	_, _, err = buildAttached(t, "away", Config{})
	checkError(t, err, want)
	h, _ = testHost(t, Config{})
	_, err = h.Lookup(context.Background(), RouterKind, "no-builtin-has-it")
	checkError(t, err, want)
}

func TestFaultsOfAttachedProvidersAreToldAndNotEnded(t *testing.T) {
	const hint = "\n  ZOO_REATTACH_PROVIDERS names it: start the provider again and set the variable anew, or unset it"
	for _, c := range []struct{ fault, want string }{
		{"panic", "plugin away: build pick: it panicked: index out of range in topk"},
		{"refuse", "plugin away: build pick: experts must be even, got 3 red"},
		{"exit", "plugin away: build pick: the connection to process …failed: …" + hint},
		{"stop", "plugin away: build pick: no answer within 700ms from process …" + hint},
		{"describe-otherwise", "plugin away: describe: the provider at …calls itself somebody; ZOO_REATTACH_PROVIDERS must name it so"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			cmd, value := startDebugged(t, "away", "ZOO_FAULT="+c.fault)
			t.Setenv(envReattach, strings.Replace(value, "somebody", "away", 1))
			deadlines := patient
			if c.fault == "stop" {
				deadlines = waiting("build")
			}
			_, _, err := buildAttached(t, "away", Config{Timeouts: deadlines})
			checkError(t, err, c.want)
			if c.fault != "exit" && !processExists(cmd.Process.Pid) {
				t.Error("it was ended")
			}
			_ = cmd.Process.Signal(syscall.SIGCONT)
		})
	}
}

func TestWhatListensMayBeNoProvider(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(shortDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it never says a word
	t.Setenv(envReattach, fmt.Sprintf(`{"away": {"network": "unix", "address": %q, "pid": 1, "protocol": 1}}`, l.Addr()))
	start := time.Now()
	_, _, err = buildAttached(t, "away", Config{Timeouts: waiting("describe")})
	checkError(t, err, "plugin away: describe: no answer within 700ms from process 1 at unix "+l.Addr().String()+"\n  ZOO_REATTACH_PROVIDERS…")
	if took := time.Since(start); took > 45*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestAMalformedAttachmentIsAMistakeInTheInput(t *testing.T) {
	for text, want := range map[string]string{
		`{`:               "it is no such JSON: unexpected EOF",
		`[]`:              "it is no such JSON: …",
		`{} {}`:           "something follows the JSON",
		`{"Bad": {}}`:     `"Bad": the name must match …`,
		`{"builtin": {}}`: "builtin is built in; give the plugin another name",
		`{"x": null}`:     `x: network "" is neither unix nor tcp`,
		`{"x": {"network": "unix", "place": "/s"}}`:                            "it is no such JSON: …place…",
		`{"x": {"network": "unix", "pid": 1, "protocol": 1}}`:                  "x: it has no address",
		`{"x": {"network": "unix", "address": "/s", "protocol": 1}}`:           "x: pid 0 is no process",
		`{"x": {"network": "unix", "address": "/s", "pid": 1, "protocol": 9}}`: "x: it speaks plugin protocol 9, this zoo speaks 1",
		`{"x": {"network": "udp", "address": "1:2", "pid": 1, "protocol": 1}}`: `x: network "udp" is neither unix nor tcp`,
	} {
		t.Setenv(envReattach, text)
		_, err := NewHost(Config{NotBeside: true})
		checkError(t, err, "ZOO_REATTACH_PROVIDERS: "+want+` (want {"NAME": …`)
		if input := (*InputError)(nil); !errors.As(err, &input) {
			t.Errorf("%s: a %T", text, err)
		}
	}
}
