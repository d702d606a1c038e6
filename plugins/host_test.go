//go:build unix

package plugins

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
)

var dims8 = map[string]int64{"d_model": 8}

// logBuffer is a log that a test may read while plugins still write to it.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// testHost is a host that finds only what is in dirs, and a place for its log.
func testHost(t *testing.T, c Config) (*Host, *logBuffer) {
	t.Helper()
	var log logBuffer
	c.NotBeside = true
	c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if c.RunRoot == "" {
		c.RunRoot = shortDir(t)
	}
	if c.Timeouts == (Timeouts{}) { // deadlines that a busy machine keeps
		c.Timeouts = Timeouts{Start: time.Minute, Describe: time.Minute, Build: time.Minute}
	}
	h, err := NewHost(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h, &log
}

// shortDir is a private folder whose name leaves room for a socket's path.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "zt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// pluginDir is a folder with this test binary as zoo-plugin-faulty in it.
func pluginDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	linkSelf(t, filepath.Join(dir, "zoo-plugin-faulty"))
	return dir
}

func linkSelf(t *testing.T, path string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, path); err != nil {
		t.Fatal(err)
	}
}

func TestBuiltinAnswersTheSameInAndOutOfProcess(t *testing.T) {
	out, log := testHost(t, Config{})
	in, inLog := testHost(t, Config{InProcess: true})
	req := Request{Kind: RouterKind, Name: "pick", Config: []byte(`{"balance": 0.5}`), Dims: dims8}
	a, err := out.Build(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := in.Build(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	if a.Digest != b.Digest || !proto.Equal(a.Response, b.Response) {
		t.Errorf("answers differ:\n%v\n%v", a.Response, b.Response)
	}
	if !bytes.Contains(a.Response.Train, []byte(`{"balance":0.5} 8`)) {
		t.Errorf("request did not arrive: %s", a.Response.Train)
	}
	if strings.Contains(log.String(), "in this process") {
		t.Errorf("built-in was not started as a process:\n%s", log)
	}
	if !strings.Contains(inLog.String(), "built-in plugin runs in this process") {
		t.Errorf("the log does not say that the built-in runs in process:\n%s", inLog)
	}
}

func TestExternalPluginBuildsAndLeavesNothing(t *testing.T) {
	root := shortDir(t)
	h, _ := testHost(t, Config{Dirs: []string{pluginDir(t)}, RunRoot: root})
	b, err := h.Build(context.Background(), Request{Kind: ExpertKind, Name: "faulty/same", Dims: dims8})
	if err != nil {
		t.Fatal(err)
	}
	if b.Name() != "faulty/same" || b.Version != "1.2.3" {
		t.Errorf("got %s %s", b.Name(), b.Version)
	}
	pid := h.live["faulty"].caller.(*session).proc.pid
	h.Close()
	if processExists(pid) {
		t.Errorf("process %d still lives", pid)
	}
	if left, _ := os.ReadDir(root); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
