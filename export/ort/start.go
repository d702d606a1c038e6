//go:build cgo

package ort

import (
	"fmt"
	"sync"

	binding "github.com/yalue/onnxruntime_go"
)

// The runtime is loaded once a process and never unloaded: sessions in other goroutines may be using it.
var (
	startMu sync.Mutex
	started Runtime
)

// Load loads the ONNX Runtime that [Find] finds, unless this process has one already, and returns it with its version. Opening a
// session does this by itself. After an error it may be tried again, say when [Install] has run.
func Load() (Runtime, error) {
	startMu.Lock()
	defer startMu.Unlock()
	if binding.IsInitialized() {
		return started, nil
	}
	rt, err := Find()
	if err != nil {
		return Runtime{}, err
	}
	binding.SetSharedLibraryPath(rt.Path)
	// Errors come back from each call; the runtime need not print them on the terminal as well.
	if err := binding.InitializeEnvironment(binding.WithLogLevelFatal()); err != nil {
		return Runtime{}, fmt.Errorf("%s cannot be loaded: %w (get a fresh one with:  zoo runtime install --force)", rt, err)
	}
	rt.Version = binding.GetVersion()
	started = rt
	return rt, nil
}

func start() error {
	_, err := Load()
	return err
}

// Available tells whether this build can run models at all.
func Available() error { return nil }
