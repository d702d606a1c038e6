package backend

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of the pages asked for, and largeBytes from which size on an
// allocation is worth one.
const (
	hugePage   = 2 << 20
	largeBytes = 1 << 20
)

// preferHugePages asks the system for large pages behind b, which it gives where it has
// any: a core that reads weights in pages of 4 KiB waits for their addresses a third of the
// time. The pages around the ends are asked for, too; they are the Go heap's own.
func preferHugePages(b []byte) {
	if len(b) < largeBytes {
		return
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	end := (start + uintptr(len(b)) + hugePage - 1) &^ (hugePage - 1)
	start &^= hugePage - 1
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_HUGEPAGE) // a refusal changes nothing but speed
}
