package main

import (
	"context"
	"errors"
	"syscall"

	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/zoo"
)

// Exit codes.
const (
	exitOK          = 0
	exitCheck       = 1 // a check failed, or training diverged
	exitUsage       = 2 // usage or bad input
	exitPlugin      = 3
	exitDevice      = 4
	exitEnvironment = 5 // a lock is held, the disk is full, I/O failed
)

// errCheck is a check that failed and has been reported.
var errCheck = errors.New("the check failed")

// deviceError says that a device cannot be used.
type deviceError struct{ error }

func exitCode(ctx context.Context, err error) int {
	var (
		signal      interrupted
		plugin      *plugins.Error
		environment *checkpoint.EnvironmentError
		device      deviceError
		child       *childFault
	)
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE):
		return exitOK
	case errors.As(context.Cause(ctx), &signal):
		return 128 + int(signal.signal.(syscall.Signal))
	case errors.As(err, &child):
		return child.code
	case errors.Is(err, errCheck), errors.Is(err, train.ErrDiverged), errors.Is(err, zoo.ErrNotEqual):
		return exitCheck
	case errors.As(err, &plugin):
		return exitPlugin
	case errors.As(err, &device):
		return exitDevice
	case errors.As(err, &environment), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EIO), errors.Is(err, syscall.EROFS):
		return exitEnvironment
	}
	return exitUsage
}
