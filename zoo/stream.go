package zoo

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// streamer writes text as it is generated. It holds back incomplete UTF-8, and what may
// become a stop text.
type streamer struct {
	out     io.Writer
	stop    [][]byte
	all     []byte
	written int
}

// write takes the next piece; stopped says that a stop text was reached.
func (s *streamer) write(piece []byte) (stopped bool, err error) {
	s.all = append(s.all, piece...)
	for _, stop := range s.stop {
		if i := bytes.Index(s.all[s.written:], stop); i >= 0 && len(stop) > 0 {
			s.all = s.all[:s.written+i]
			return true, nil
		}
	}
	until := len(s.all) - s.held()
	if until <= s.written {
		return false, nil
	}
	_, err = s.out.Write(s.all[s.written:until])
	s.written = until
	return false, err
}

// held is how many bytes at the end must wait.
func (s *streamer) held() int {
	rest := s.all[s.written:]
	held := 0
	for n := 1; n < utf8.UTFMax && n <= len(rest); n++ {
		if tail := rest[len(rest)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				held = n
			}
			break
		}
	}
	for _, stop := range s.stop {
		for n := min(len(stop)-1, len(rest)); n > held; n-- {
			if bytes.HasSuffix(rest, stop[:n]) {
				held = n
				break
			}
		}
	}
	return held
}

// flush writes what was held back.
func (s *streamer) flush() error {
	_, err := s.out.Write(s.all[s.written:])
	s.written = len(s.all)
	return err
}
