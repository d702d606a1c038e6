package ort

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func tgz(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	tw := tar.NewWriter(gz)
	for _, h := range headers {
		body := []byte("library")
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(body))
		}
		h.Mode = 0o644
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			tw.Write(body)
		}
	}
	tw.Close()
	gz.Close()
	return buf.Bytes()
}

// serve is a release server with one file; it counts the requests.
func serve(t *testing.T, data []byte) (base string, requests *int) {
	t.Helper()
	requests = new(int)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*requests++
		if r.URL.Path != "/ort.tgz" {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/", requests
}

func releasePin(archive []byte) pin {
	return pin{source: sourceRelease, os: runtime.GOOS, arch: runtime.GOARCH, item: "ort.tgz", member: "ort/lib/lib.so", archive: sum(archive)}
}

func TestInstallKeepsOnlyWhatMatchesItsChecksum(t *testing.T) {
	good := tgz(t, tar.Header{Name: "ort/README", Typeflag: tar.TypeReg}, tar.Header{Name: "ort/lib/lib.so", Typeflag: tar.TypeReg})
	link := tgz(t, tar.Header{Name: "ort/lib/lib.so", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})
	other := tgz(t, tar.Header{Name: "../../lib.so", Typeflag: tar.TypeReg})
	wrongLib := releasePin(good)
	wrongLib.library = strings.Repeat("0", 64)
	for _, c := range []struct {
		name string
		data []byte
		pin  pin
		want string
	}{
		{"good", good, releasePin(good), ""},
		{"archive altered", append(good, 0), releasePin(good), "ort.tgz has the wrong checksum"},
		{"library altered", good, wrongLib, "ort/lib/lib.so has the wrong checksum"},
		{"member is a link", link, releasePin(link), "not a regular file"},
		{"member missing", other, releasePin(other), "has no file ort/lib/lib.so"},
		{"not an archive", []byte("<html>"), releasePin([]byte("<html>")), "gzip"},
		{"no such file", good, pin{source: sourceRelease, item: "gone.tgz"}, "404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, _ := serve(t, c.data)
			in := installer{root: t.TempDir(), releaseBase: base, progress: func(string) {}}
			rt, err := in.install(t.Context(), InstallOptions{}, []pin{c.pin})
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if b, _ := os.ReadFile(rt.Path); string(b) != "library" || rt.Path != filepath.Join(in.dir(), libraryName()) {
					t.Errorf("%s holds %q", rt.Path, b)
				}
				return
			}
			var failed *InstallError
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "By hand") {
				t.Errorf("error is %v, want it to contain %q and the manual way", err, c.want)
			}
			if left, _ := os.ReadDir(in.dir()); len(left) != 1 { // the lock file
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestInstallsAtOnceDownloadOnce(t *testing.T) {
	good := tgz(t, tar.Header{Name: "ort/lib/lib.so", Typeflag: tar.TypeReg})
	base, requests := serve(t, good)
	in := installer{root: t.TempDir(), releaseBase: base, progress: func(string) {}}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := in.install(t.Context(), InstallOptions{}, []pin{releasePin(good)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if *requests != 1 {
		t.Errorf("%d downloads, want 1", *requests)
	}
	// A library that was damaged since, or Force, means getting it again; leftovers of a killed install go away.
	if err := os.WriteFile(filepath.Join(in.dir(), libraryName()), []byte("damaged"), 0o755); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(in.dir(), ".get-old")
	os.Mkdir(leftover, 0o755)
	for i, opts := range []InstallOptions{{}, {Force: true}} {
		rt, err := in.install(t.Context(), opts, []pin{releasePin(good)})
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(rt.Path); string(b) != "library" || *requests != i+2 {
			t.Errorf("library is %q after %d downloads", b, *requests)
		}
	}
	if _, err := os.Stat(leftover); !os.IsNotExist(err) {
		t.Errorf("leftover of a killed install is still there")
	}
}

func TestInstallWaitsForTheLockOnlyAsLongAsItsContext(t *testing.T) {
	in := installer{root: t.TempDir(), progress: func(string) {}}
	os.MkdirAll(in.dir(), 0o755)
	unlock, err := lockFile(t.Context(), filepath.Join(in.dir(), ".lock"), in.progress)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := in.install(ctx, InstallOptions{}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

func TestInstallListsEveryFailedWay(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no npm, no pip
	base, _ := serve(t, nil)
	in := installer{root: t.TempDir(), releaseBase: base, progress: func(string) {}}
	known := []pin{{source: sourceRelease, item: "x.tgz"}, {source: sourceNPM}, {source: sourcePyPI, item: "any"}}
	_, err := in.install(t.Context(), InstallOptions{}, known)
	for _, want := range []string{"release archive x.tgz: the server answered 404", "no npm on this machine", "no pip on this machine", LibraryEnv} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to contain %q", err, want)
		}
	}
	if _, err := in.install(t.Context(), InstallOptions{Sources: []string{"conda"}}, known); err == nil || !strings.Contains(err.Error(), "choose from release, npm, pypi") {
		t.Errorf("unknown source: %v", err)
	}
}

func TestFailedClientsAreReportedWithTheirReason(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the clients of this test are shell scripts")
	}
	bin := t.TempDir()
	t.Setenv("PATH", bin+string(os.PathListSeparator)+"/bin:/usr/bin")
	for name, script := range map[string]string{
		"npm":  "echo 'npm error code ETARGET' >&2; echo 'npm error see the log' >&2; exit 1",
		"pip3": "echo 'Looking'; echo 'ERROR: No matching distribution' >&2; exit 1",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	in := installer{root: t.TempDir(), progress: func(string) {}}
	_, err := in.install(t.Context(), InstallOptions{}, []pin{{source: sourceNPM}, {source: sourcePyPI, item: "any"}})
	for _, want := range []string{"npm: exit status 1; code ETARGET; see the log", "pip3: exit status 1; Looking; ERROR: No matching distribution"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to contain %q", err, want)
		}
	}
	// A client that says it succeeded but left nothing is no success.
	os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\nexit 0\n"), 0o755)
	if _, err := in.install(t.Context(), InstallOptions{}, []pin{{source: sourceNPM}}); err == nil || !strings.Contains(err.Error(), "0 files *.tgz") {
		t.Errorf("empty success: %v", err)
	}
}

func TestInstallStopsWhenCancelled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the client of this test is a shell script")
	}
	bin := t.TempDir()
	t.Setenv("PATH", bin+string(os.PathListSeparator)+"/bin:/usr/bin")
	os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\nexec sleep 60\n"), 0o755)
	in := installer{root: t.TempDir(), progress: func(string) {}}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := in.install(ctx, InstallOptions{}, []pin{{source: sourceNPM}}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	if left, _ := os.ReadDir(in.dir()); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestExtractZipTakesTheExactMember(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "a.whl")
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, name := range []string{"../capi/lib.so", "capi/lib.so"} {
		w, _ := z.Create(name)
		w.Write([]byte("data of " + name))
	}
	z.Close()
	os.WriteFile(archive, buf.Bytes(), 0o600)
	out := filepath.Join(dir, "out")
	if err := extractMember(archive, "capi/lib.so", out); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(out); string(b) != "data of capi/lib.so" {
		t.Errorf("extracted %q", b)
	}
	if err := extractMember(archive, "capi/lib.so", out); err == nil {
		t.Error("an existing file was overwritten")
	}
	if err := extractMember(archive, "none", out+"2"); err == nil || !strings.Contains(err.Error(), "has no file none") {
		t.Errorf("missing member: %v", err)
	}
}

func TestEveryPinHasChecksumAndNamesTheVersion(t *testing.T) {
	hash := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for _, p := range pins {
		if p.archive == "" && p.library == "" {
			t.Errorf("%v has no checksum", p)
		}
		for _, h := range []string{p.archive, p.library} {
			if h != "" && !hash.MatchString(h) {
				t.Errorf("%v: %q is not a SHA-256", p, h)
			}
		}
		if p.source == sourceRelease && !strings.Contains(p.item, Version) {
			t.Errorf("%v is not of version %s", p, Version)
		}
	}
}

// TestNetworkInstall gets the real packages through npm and pip, into a temporary cache.
func TestNetworkInstall(t *testing.T) {
	if os.Getenv("MOEZOO_NETWORK_TESTS") != "1" {
		t.Skip("downloads about 140 MB; set MOEZOO_NETWORK_TESTS=1 to run it")
	}
	for _, src := range []string{"npm", "pypi", ""} {
		t.Run(src, func(t *testing.T) {
			t.Setenv(CacheEnv, t.TempDir())
			opts := InstallOptions{}
			if src != "" {
				opts.Sources = []string{src}
			}
			rt, err := Install(t.Context(), opts, func(s string) { t.Log(s) })
			if err != nil {
				t.Fatal(err)
			}
			probed, why := probe(filepath.Dir(rt.Path), "cache")
			if why != "" || runtime.GOOS == "linux" && probed.Version != Version {
				t.Errorf("installed library: %v %s", probed, why)
			}
		})
	}
}
