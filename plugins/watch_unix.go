//go:build unix

package plugins

import (
	"errors"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	plugin "github.com/hashicorp/go-plugin"
)

// watchInterval is how often a provider looks whether its host still lives.
const watchInterval = 250 * time.Millisecond

// leaveGrace is how long a provider that has to go waits for its host's death to become
// visible: on a busy machine the system takes its time.
const leaveGrace = 3 * time.Second

// watchHost ends this provider within a second of its host's death, however the
// host died, and takes the socket and the provider's own children along.
func watchHost() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	// A dead host's end of stderr is closed: a write there must fail, not end the
	// process before it has cleaned up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	parent := os.Getppid()
	host, _ := strconv.Atoi(os.Getenv(envHostPID))
	go func() {
		tick := time.NewTicker(watchInterval)
		for {
			select {
			case <-term:
			case <-tick.C:
				if os.Getppid() == parent && (host == 0 || processExists(host)) {
					continue
				}
			}
			leave(host)
		}
	}()
}

// leave sweeps the folders of dead hosts, this one's among them, and ends the
// whole process group where the host gave this process one of its own.
func leave(host int) {
	// The kernel's signal comes when the first of the host's threads is gone; the
	// host itself is a moment later.
	for deadline := time.Now().Add(leaveGrace); host != 0 && os.Getppid() == host; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			os.Exit(3) // a SIGTERM from a person: the host lives and cleans up
		}
	}
	if root := os.Getenv(envRunRoot); root != "" {
		// The kernel releases the dead host's lock a moment after its death.
		for deadline := time.Now().Add(leaveGrace); ; time.Sleep(10 * time.Millisecond) {
			sweepRuns(root)
			if _, err := os.Stat(os.Getenv(plugin.EnvUnixSocketDir)); err != nil || time.Now().After(deadline) {
				break
			}
		}
	}
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(-os.Getpid(), syscall.SIGKILL)
	}
	os.Exit(3)
}

// processExists reports whether a process of that id lives.
func processExists(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
