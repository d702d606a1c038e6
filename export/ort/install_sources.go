package ort

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	connectTimeout = 10 * time.Second // to reach a server at all
	stallTimeout   = 60 * time.Second // without a byte arriving
	clientTimeout  = 10 * time.Minute // for npm or pip to finish
	maxArchive     = 1 << 30          // bytes; the largest of the known archives has 113 MB
)

// downloadRelease fetches the official archive into dir.
func (in installer) downloadRelease(ctx context.Context, p pin, dir string) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.releaseBase+p.item, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: connectTimeout,
	}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answered %s", resp.Status)
	}
	path := filepath.Join(dir, p.item)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	watch := time.AfterFunc(stallTimeout, func() { cancel(fmt.Errorf("no data for %s", stallTimeout)) })
	defer watch.Stop()
	n, err := io.Copy(f, &progressReader{
		r: io.LimitReader(resp.Body, maxArchive+1), total: resp.ContentLength, tell: in.progress,
		alive: func() { watch.Reset(stallTimeout) },
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if n > maxArchive {
		err = fmt.Errorf("larger than %d bytes", maxArchive)
	}
	return path, errors.Join(err, f.Close())
}

// progressReader reports every tenth of a download.
type progressReader struct {
	r           io.Reader
	done, total int64
	told        int64
	tell        func(string)
	alive       func()
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.alive()
	p.done += int64(n)
	if p.total > 0 && p.done*10/p.total > p.told {
		p.told = p.done * 10 / p.total
		p.tell(fmt.Sprintf("downloaded %d of %d MB", p.done>>20, p.total>>20))
	}
	return n, err
}

// npmPack lets npm download the package's archive, without unpacking it and without running its scripts. npm itself checks the
// archive against the hash in its registry.
func npmPack(ctx context.Context, dir string) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("no npm on this machine")
	}
	err = runClient(ctx, dir, firstLines, npm, "pack", "onnxruntime-node@"+Version, "--ignore-scripts", "--pack-destination", dir,
		"--loglevel=error", "--no-update-notifier", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
	if err != nil {
		return "", err
	}
	return theOnly(dir, "*.tgz")
}

// pipDownload lets pip download one wheel, always the same whatever Python is installed; a wheel has no scripts to run.
func pipDownload(ctx context.Context, p pin, dir string) (string, error) {
	args := []string{
		"download", "onnxruntime==" + Version, "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.12",
		"--abi", "cp312", "--platform", p.item, "--dest", dir, "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "15",
	}
	failed := errors.New("no pip on this machine")
	for _, pip := range [][]string{{"pip3"}, {"pip"}, {"python3", "-m", "pip"}, {"python", "-m", "pip"}} {
		exe, err := exec.LookPath(pip[0])
		if err != nil {
			continue
		}
		err = runClient(ctx, dir, lastLines, exe, append(pip[1:], args...)...)
		if err == nil {
			return theOnly(dir, "*.whl")
		}
		if ctx.Err() != nil {
			return "", err
		}
		// A "python3 -m pip" without pip must not hide what a working pip said.
		if !strings.Contains(err.Error(), "No module named pip") {
			return "", err
		}
	}
	return "", failed
}

// runClient runs a package manager in dir; its error has what telling picks out of the program's output.
func runClient(ctx context.Context, dir string, telling func(string) string, exe string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	// One writer for both, so that lines keep the order in which the program wrote them.
	var out limitedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s: not done after %s", filepath.Base(exe), clientTimeout)
	}
	if err != nil {
		return fmt.Errorf("%s: %w%s", filepath.Base(exe), err, telling(out.String()))
	}
	return nil
}

// limitedBuffer keeps the first 64 KiB and forgets the rest.
type limitedBuffer struct{ kept bytes.Buffer }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if room := 64<<10 - l.kept.Len(); room > 0 {
		l.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (l *limitedBuffer) String() string { return l.kept.String() }

// npm writes the reason first and general advice after it; pip writes its conclusion last.
func firstLines(s string) string {
	lines := outputLines(s)
	return strings.Join(lines[:min(4, len(lines))], "")
}

func lastLines(s string) string {
	lines := outputLines(s)
	return strings.Join(lines[max(0, len(lines)-3):], "")
}

// outputLines gives the lines that say something, each with a separator in front, cut to a readable length.
func outputLines(s string) []string {
	var lines []string
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "npm error"))
		if len(line) > 240 {
			line = line[:240] + "..."
		}
		if line != "" {
			lines = append(lines, "; "+line)
		}
	}
	return lines
}

// theOnly returns the one file that matches.
func theOnly(dir, pattern string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return "", err
	}
	if len(files) != 1 {
		return "", fmt.Errorf("%d files %s were downloaded, expected one", len(files), pattern)
	}
	return files[0], nil
}
