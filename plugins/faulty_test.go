//go:build unix

package plugins

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func signalIgnore() { signal.Ignore(syscall.SIGTERM, syscall.SIGINT) }

// testSocket listens in the socket folder and answers nobody.
func testSocket() string {
	path := os.Getenv("PLUGIN_UNIX_SOCKET_DIR") + "/s"
	if _, err := net.Listen("unix", path); err != nil {
		panic(err)
	}
	return path
}

// helperHost is a host in a process of its own, which a test kills: it starts the
// plugins, prints their process ids and waits.
func helperHost() {
	h, err := NewHost(Config{
		Dirs: []string{os.Getenv("ZOO_TEST_HOST")}, NotBeside: true,
		RunRoot: os.Getenv("ZOO_TEST_RUNROOT"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	for _, name := range []string{"builtin", "faulty"} {
		p, err := h.open(context.Background(), name)
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(p.caller.(*session).proc.pid)
	}
	fmt.Println("ready")
	if os.Getenv("ZOO_FAULT") != "" {
		_, _ = h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: map[string]int64{"d_model": 8}})
	}
	time.Sleep(time.Hour)
}

// runByHand runs a plugin as a person would.
func runByHand(path string, args ...string) (string, error) {
	out, err := exec.Command(path, args...).CombinedOutput()
	return string(out), err
}
