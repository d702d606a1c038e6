package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Serve shows a page that follows its runs: load is called anew when somebody looks, at most
// once a second. It ends with ctx.
func Serve(ctx context.Context, l net.Listener, load func() (*Page, error)) error {
	s := &server{load: load}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /page", s.page)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := context.AfterFunc(ctx, func() { _ = web.Close() })
	defer ended()
	if err := web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type server struct {
	load func() (*Page, error)

	sync.Mutex
	made time.Time
	html []byte
	tag  string
	err  error
}

// page answers the page, or that it has not changed.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	html, tag, err := s.latest()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(html)
}

// latest is the page as of now, made at most once a second.
func (s *server) latest() (html []byte, tag string, err error) {
	s.Lock()
	defer s.Unlock()
	if time.Since(s.made) < time.Second {
		return s.html, s.tag, s.err
	}
	p, err := s.load()
	if err == nil {
		html, err = p.HTML(true)
	}
	s.made, s.err = time.Now(), err
	if err == nil {
		sum := sha256.Sum256(withoutTime(html))
		s.html, s.tag = html, fmt.Sprintf("%q", hex.EncodeToString(sum[:8]))
	}
	return s.html, s.tag, s.err
}

// withoutTime is a page without when it was made: what tells two of the same runs apart.
func withoutTime(html []byte) []byte {
	text := string(html)
	before, rest, ok := strings.Cut(text, `<p id="made">`)
	if !ok {
		return html
	}
	_, after, _ := strings.Cut(rest, "</p>")
	return []byte(before + after)
}
