package kernel

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// What idle workers read is what was asked for, in order, and nothing twice.
func TestIdleWorkersReadAhead(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("a worker that shares its processor does not poll")
	}
	memory := make([]byte, 10*AheadPiece+100)
	var mu sync.Mutex
	var read []int
	saved := active
	defer func() { active = saved }()
	recording := *active
	recording.touch = func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		for i := range memory {
			if &memory[i] == &b[0] {
				read = append(read, i/AheadPiece)
			}
		}
	}
	active = &recording
	a := &Ahead{}
	a.Add(memory)
	a.Add(nil)
	if a.Pieces() != 11 {
		t.Fatalf("%d pieces", a.Pieces())
	}
	p := NewPool(2)
	defer p.Close()
	wait := func(want ...int) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; {
			p.Run(2, func(int) {}) // wakes the worker, which then is idle
			mu.Lock()
			got := slices.Clone(read)
			mu.Unlock()
			if slices.Equal(got, want) {
				return
			}
			if len(got) > len(want) || time.Now().After(end) {
				t.Fatalf("read %v, want %v", got, want)
			}
		}
	}
	p.ReadAhead(a)
	a.Move(2, 4)
	wait(2, 3)
	a.Move(3, 6)
	wait(2, 3, 4, 5)
	a.Move(9, 11)
	wait(2, 3, 4, 5, 9, 10)
	a.Restart()
	a.Move(0, 1)
	wait(2, 3, 4, 5, 9, 10, 0)
	p.EndReadAhead(&Ahead{})
	a.Move(0, 2)
	wait(2, 3, 4, 5, 9, 10, 0, 1)
	p.EndReadAhead(a)
	if p.ahead.Load() != nil {
		t.Fatal("there is still something to read")
	}
}

// touch reads no further than the memory it is given.
func TestTouchStaysInItsExtents(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 63, 64, 65, 4096} {
			active.touch(make([]byte, n))
		}
	})
}
