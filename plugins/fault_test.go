//go:build unix

package plugins

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// patient are deadlines that a busy machine keeps.
var patient = Timeouts{Start: time.Minute, Describe: time.Minute, Build: time.Minute, Kill: 500 * time.Millisecond}

// waiting are the deadlines of a case that waits for one of them, which alone is short.
func waiting(deadline string) Timeouts {
	t := patient
	switch deadline {
	case "start":
		t.Start = time.Second
	case "describe":
		t.Describe = 700 * time.Millisecond
	case "build":
		t.Build = 700 * time.Millisecond
	}
	return t
}

// faultCase injects one fault into a plugin and pins the whole error.
type faultCase struct {
	fault string
	want  string // of the error; PATH and SUM stand for the plugin's, a final … for anything
	log   string // must be in the log

	deadline string // that the case waits for: start, describe, build, or none
}

// Every way in which a plugin can break the start, before or in the handshake.
var startFaults = []faultCase{
	{fault: "garbage", want: `plugin faulty: start: it printed "hello from init()" on stdout before the handshake
  a plugin must write nothing to stdout; use stderr`},
	{fault: "cookie", want: `plugin faulty: start: it does not accept the zoo's magic cookie (exit status 1)
  its stderr ends with:
    | This binary is a plugin. These are not meant to be executed directly.
  it is a plugin for another program, or built for an incompatible zoo`},
	{fault: "die", want: `plugin faulty: start: it ended before the handshake (exit status 4)
  its stderr ends with:
    | cannot open libfoo.so`},
	{fault: "version", want: `plugin faulty: start: it speaks plugin protocol 9, this zoo speaks 1
  upgrade the one that is older: zoo, or the plugin`},
	{fault: "core-version", want: `plugin faulty: start: its handshake "7|1|unix|…`},
	{fault: "netrpc", want: `plugin faulty: start: its handshake "1|1|unix|…`},
	{fault: "nohandshake", deadline: "start", want: `plugin faulty: start: no handshake within 1s; it was stopped`},
	{fault: "deaf", deadline: "start", want: `plugin faulty: start: no handshake within 1s; it was stopped`},
	{fault: "address-outside", want: `plugin faulty: start: it was refused: it answered from unix "/tmp/other.sock", which is outside its socket folder`},
	{fault: "address-tcp", want: `plugin faulty: start: it was refused: it answered from tcp "127.0.0.1:22", a unix socket was expected`},
	{fault: "address-file", want: `plugin faulty: start: it was refused: it answered from unix "…`},
	{fault: "long-line", want: `plugin faulty: start: it printed "xxxxxxxxxx…`},
	{fault: "stdin", want: `plugin faulty: start: it ended before the handshake (exit status 5)
  its stderr ends with:
    | stdin: 0 bytes, EOF`},
	{fault: "environment", want: `plugin faulty: start: it ended before the handshake (exit status 6)
  its stderr ends with:
    | token="" path=true`},
	{fault: "describe-hang", deadline: "describe", want: `plugin faulty: describe: no answer within 700ms; it was stopped`},
	{fault: "describe-nonsense", want: `plugin faulty: describe: its answer was refused: provider name "../../etc" must match ^[a-z][a-z0-9-]{0,62}$`},
	{fault: "describe-otherwise", want: `plugin faulty: describe: PATH calls itself somebody; name and file must agree`},
}

// Every way in which a plugin can break a call.
var buildFaults = []faultCase{
	{fault: "panic", want: `plugin faulty: build pick: it panicked: index out of range in topk
  its stderr ends with:
    | panic: index out of range in topk
    | goroutine …`},
	{fault: "exit", want: `plugin faulty: build pick: it died (exit status 7), and so did a fresh process
  its stderr ends with:
    | cannot go on`},
	{fault: "kill", want: `plugin faulty: build pick: it died (signal: killed), and so did a fresh process`},
	{fault: "hang", deadline: "build", want: `plugin faulty: build pick: no answer within 700ms; it was stopped`},
	{fault: "stop", deadline: "build", want: `plugin faulty: build pick: no answer within 700ms; it was stopped`},
	{fault: "refuse", want: `plugin faulty: build pick: experts must be even, got 3 red`},
	{fault: "reply-65MiB", want: `plugin faulty: build pick: its answer is larger than the 64 MiB allowed`},
	{fault: "function-9MiB", want: `plugin faulty: build pick: its answer was refused: its functions have 9437184 bytes; 8388608 are allowed`},
	{fault: "dims-huge", want: `plugin faulty: build pick: its answer was refused: param "weight": dims [4611686018427387904 4]: dim 0 is 4611686018427387904; each must be at least 1 and the product at most 1099511627776`},
	{fault: "dims-negative", want: `plugin faulty: build pick: its answer was refused: param "weight": dims [-1]: dim 0 is -1; each must be at least 1 and the product at most 1099511627776`},
	{fault: "dims-overflow", want: `plugin faulty: build pick: its answer was refused: param "weight": dims [8589934592 8589934592]: dim 1 is 8589934592; each must be at least 1 and the product at most 1099511627776`},
	{fault: "nan-init", want: `plugin faulty: build pick: its answer was refused: param "weight": init argument std is NaN; a finite number was expected`},
	{fault: "inf-loss", want: `plugin faulty: build pick: its answer was refused: loss "balance": weight is +Inf; a finite number was expected`},
	{fault: "bad-scheme", want: `plugin faulty: build pick: its answer was refused: param "weight": init scheme "norml" is not known; did you mean normal?`},
	{fault: "bad-name", want: `plugin faulty: build pick: its answer was refused: param "../w": its name must match ^[A-Za-z_][A-Za-z0-9_.]{0,127}$`},
	{fault: "bad-utf8", want: `plugin faulty: build pick: its answer cannot be read: failed to unmarshal the received message: string field contains invalid UTF-8`},
	{fault: "bomb", want: `plugin faulty: build pick: its answer cannot be read: failed to unmarshal the received message: the message has more than 100000 elements`},
	{fault: "twice", want: `plugin faulty: build pick: its answer was refused: param "weight": the name is used twice`},
	{fault: "no-function", want: `plugin faulty: build pick: its answer was refused: it has no train function`},
	{fault: "no-routing", want: `plugin faulty: build pick: its answer was refused: a router must answer a routing (assign, claim or mix)`},
	{fault: "many-params", want: `plugin faulty: build pick: its answer was refused: it has 5000 params; 1024 are allowed`},
	{fault: "unlisted-states", want: `plugin faulty: build pick: its answer was refused: it has 1 states but its capability stateful is false`},
	{fault: "impure", want: `plugin faulty: build pick: two answers to one request differ (sha256 …`},
	{fault: "diagnostics", want: `faulty/pick: config.balance: too large: at most 1`},
	{fault: "print", log: "debug: building"},
	{fault: "ansi", log: "[WARN] owned end"},
	{fault: "flood", log: "starting plugin"},
}

func TestFaultsAtTheStartGiveOneClearError(t *testing.T) {
	t.Setenv("SECRET_TOKEN", "hunter2")
	swapStdin(t, "typed by a person")
	for _, c := range startFaults {
		t.Run(c.fault, func(t *testing.T) { runFault(t, c) })
	}
}

func TestFaultsInACallGiveOneClearError(t *testing.T) {
	for _, c := range buildFaults {
		t.Run(c.fault, func(t *testing.T) { runFault(t, c) })
	}
}

// runFault asks the faulty plugin for its router and checks the error, the time,
// and that neither process nor socket is left.
func runFault(t *testing.T, c faultCase) {
	if testing.Short() && c.deadline != "" {
		t.Skip("waits for a deadline")
	}
	t.Parallel()
	dir, root := pluginDir(t), shortDir(t)
	h, log := testHost(t, Config{Dirs: []string{dir}, RunRoot: root, Timeouts: waiting(c.deadline), Env: []string{"ZOO_FAULT=" + c.fault}})
	start := time.Now()
	_, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8})
	waitForLog(log, c.log)
	h.Close()
	if took := time.Since(start); took > 45*time.Second { // a second or two; deadlines of a minute are not waited for
		t.Errorf("took %v", took)
	}
	checkError(t, err, strings.ReplaceAll(c.want, "PATH", filepath.Join(dir, "zoo-plugin-faulty")))
	if !strings.Contains(log.String(), c.log) {
		t.Errorf("the log lacks %q:\n%s", c.log, log)
	}
	if strings.Contains(log.String(), "\x1b") || strings.Contains(log.String(), `\x1b`) {
		t.Errorf("escape sequences reached the log:\n%q", log)
	}
	checkNothingLeft(t, root)
}

// waitForLog gives what a plugin printed the time to come through its pipe: it travels
// beside the answers, and closing the host ends it.
func waitForLog(log *logBuffer, want string) {
	for end := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), want) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}

// swapStdin gives this process something to read on stdin until the test and its
// subtests are over.
func swapStdin(t *testing.T, text string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.WriteString(text)
	old := os.Stdin
	os.Stdin = r
	t.Cleanup(func() {
		os.Stdin = old
		r.Close()
		w.Close()
	})
}

// checkError compares a whole message; a … in want stands for anything.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("unexpected error: %v", err)
		}
		return
	}
	if err == nil {
		t.Errorf("no error; want %s", want)
		return
	}
	pattern := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*") + "$"
	if !regexp.MustCompile(pattern).MatchString(err.Error()) {
		t.Errorf("error is\n%s\nwant\n%s", err, want)
	}
	var plugin *Error
	var input *InputError
	if !errors.As(err, &plugin) && !errors.As(err, &input) {
		t.Errorf("error is a %T", err)
	}
}

// checkNothingLeft waits until there are no sockets under root and no processes that were told
// of it.
func checkNothingLeft(t *testing.T, root string) {
	t.Helper()
	var left []os.DirEntry
	var pids []string
	for deadline := time.Now().Add(45 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		left, _ = os.ReadDir(root)
		if pids = processesOf(root); len(left) == 0 && len(pids) == 0 {
			return
		}
	}
	t.Errorf("left behind: files %v, processes %v", left, pids)
}

// processesOf lists the processes whose environment names root (Linux only).
func processesOf(root string) []string {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	var pids []string
	for _, path := range environs {
		if raw, err := os.ReadFile(path); err == nil && bytes.Contains(raw, []byte(envRunRoot+"="+root+"\x00")) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

func TestFilesThatAreNoPluginsAreNamed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, "zoo-plugin-"+name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("text", "just text\n", 0o755)
	write("script", "#!/bin/sh\nexit 0\n", 0o755)
	write("cat", "#!/bin/sh\nexec cat\n", 0o755)
	write("locked", "#!/bin/sh\n", 0o644)
	write("Big Name", "#!/bin/sh\n", 0o755)
	write("notes.txt", "not a plugin at all", 0o644)
	root := shortDir(t)
	h, _ := testHost(t, Config{Dirs: []string{dir}, RunRoot: root, Timeouts: patient})
	for name, want := range map[string]string{
		"text":   "plugin text: start: it cannot be executed: …\n  is it an executable for this machine?",
		"script": "plugin script: start: it ended before the handshake (exit status 0)\n  is it a zoo plugin?",
		"cat":    "plugin cat: start: it ended before the handshake (exit status 0)\n  is it a zoo plugin?",
		"locked": "plugin locked: find: " + dir + "/zoo-plugin-locked: it is not executable; chmod +x " + dir + "/zoo-plugin-locked",
		"notes":  "no plugin is called notes (…",
	} {
		_, err := h.Lookup(context.Background(), RouterKind, name+"/x")
		checkError(t, err, want)
	}
	// One broken plugin does not hide the others from a search by variant.
	if _, err := h.Lookup(context.Background(), RouterKind, "pick"); err != nil {
		t.Error(err)
	}
	h.Close()
	checkNothingLeft(t, root)
}

func TestAPluginThatDiesOnceIsAskedAgain(t *testing.T) {
	once := filepath.Join(t.TempDir(), "died")
	h, log := testHost(t, Config{Dirs: []string{pluginDir(t)}, Env: []string{"ZOO_FAULT=exit-once", "ZOO_TEST_ONCE=" + once}})
	if _, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(once); err != nil || !strings.Contains(log.String(), "asking a fresh process") {
		t.Errorf("the fault did not fire: %v\n%s", err, log)
	}
}

func TestGrandchildrenDieWithThePlugin(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	root := shortDir(t)
	h, _ := testHost(t, Config{
		Dirs: []string{pluginDir(t)}, RunRoot: root, Timeouts: patient,
		Env: []string{"ZOO_FAULT=grandchild", "ZOO_TEST_ONCE=" + pidFile},
	})
	if _, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pidFile); err != nil {
		t.Fatalf("the fault did not fire: %v", err)
	}
	h.Close()
	checkNothingLeft(t, root)
}

func TestCancellingTheCallEndsIt(t *testing.T) {
	h, _ := testHost(t, Config{Dirs: []string{pluginDir(t)}, Timeouts: patient, Env: []string{"ZOO_FAULT=hang"}})
	if _, err := h.Lookup(context.Background(), RouterKind, "faulty/pick"); err != nil { // it runs
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(300*time.Millisecond, cancel)
	start := time.Now()
	_, err := h.Build(ctx, Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8})
	if !errors.Is(err, context.Canceled) || time.Since(start) > 45*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}

func TestCheckerRefusesAnAnswer(t *testing.T) {
	h, _ := testHost(t, Config{Checker: func(v Variant, _ *wireRequest, _ *wireResponse) error {
		return errors.New("node 3: no operator Softmx; did you mean Softmax?")
	}})
	_, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "pick", Dims: dims8})
	checkError(t, err, "plugin builtin: build pick: its answer was refused: node 3: no operator Softmx; did you mean Softmax?")
}

func TestALargeRequestReachesTheProvider(t *testing.T) {
	h, _ := testHost(t, Config{Dirs: []string{pluginDir(t)}})
	p, err := h.open(context.Background(), "faulty")
	if err != nil {
		t.Fatal(err)
	}
	service := p.caller.(*session).service // what a host may ask is smaller, and checked before
	ask := func(bytes int) (*wireResponse, error) {
		return service.Build(context.Background(), &wireRequest{Variant: "same", Config: []byte(strings.Repeat("x", bytes))})
	}
	// gRPC's own limit is 4 MiB. The answer holds the config, so it came whole.
	r, err := ask(5 << 20)
	if err != nil || !bytes.Contains(r.Train, bytes.Repeat([]byte("x"), 5<<20)) {
		t.Errorf("5 MiB: %v, %d bytes came back", err, len(r.GetTrain()))
	}
	if _, err := ask(65 << 20); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("65 MiB: %v, want it refused", err)
	}
	if _, err := ask(1); err != nil {
		t.Errorf("the provider did not live through it: %v", err)
	}
}
