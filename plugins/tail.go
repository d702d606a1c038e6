package plugins

import (
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	stderrTail  = 16 << 10 // bytes of a provider's stderr that are kept
	errorLines  = 12       // lines of it that an error shows
	stderrQuiet = 20 * time.Millisecond
)

// tailBuffer keeps the last bytes written to it.
type tailBuffer struct {
	mu    sync.Mutex
	limit int
	buf   []byte
	last  time.Time
}

// Write never fails.
func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.limit; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// idle is closed once nothing was written for a moment: what a dead process
// left in its pipe has then arrived.
func (t *tailBuffer) idle() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for start := time.Now(); time.Since(start) < exitGrace; time.Sleep(stderrQuiet / 4) {
			t.mu.Lock()
			quiet := time.Since(t.last) > stderrQuiet
			t.mu.Unlock()
			if quiet && time.Since(start) > stderrQuiet {
				return
			}
		}
	}()
	return done
}

// await waits a moment for one of the texts, which is on its way through the pipe.
func (t *tailBuffer) await(texts ...string) {
	for start := time.Now(); time.Since(start) < exitGrace; time.Sleep(stderrQuiet / 4) {
		t.mu.Lock()
		arrived := slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(string(t.buf), s) })
		t.mu.Unlock()
		if arrived {
			return
		}
	}
}

// tail is the last lines, cleaned for a terminal. Of a Go panic it is the head,
// which says what happened.
func (t *tailBuffer) tail() string {
	t.mu.Lock()
	text := strings.TrimSpace(cleanText(string(t.buf), 2*t.limit))
	t.mu.Unlock()
	if text == "" {
		return ""
	}
	lines := strings.Split(text, "\n")
	if len(lines) <= errorLines {
		return text
	}
	for i, l := range lines {
		if strings.HasPrefix(l, "panic: ") || strings.HasPrefix(l, "fatal error: ") {
			return strings.Join(lines[i:min(i+errorLines, len(lines))], "\n")
		}
	}
	return strings.Join(lines[len(lines)-errorLines:], "\n")
}
