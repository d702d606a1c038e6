package plugins

import (
	"fmt"
	"syscall"
)

// processAttributes puts the provider in a group of its own (a Ctrl-C at the
// terminal is the host's) and has the kernel end it when the host dies. SIGTERM
// and not SIGKILL, so that it can take its socket away.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// descriptorPath names an open file of the child by its number.
func descriptorPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// selfPath names this program's own file even after it was replaced or removed,
// as "go run" does.
func selfPath(string) string { return "/proc/self/exe" }
