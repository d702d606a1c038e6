package ort

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// InstallOptions changes what [Install] does; the zero value is right for everyday use.
type InstallOptions struct {
	// Sources limits and orders the ways tried: "release", "npm", "pypi". Empty: all, in this order.
	Sources []string
	// Force gets the library again although it is installed and sound.
	Force bool
}

// InstallError says that no way to get the library worked, with each way's reason.
type InstallError struct {
	Attempts []string
}

func (e *InstallError) Error() string {
	return fmt.Sprintf(`could not get ONNX Runtime %s for %s:
  %s
By hand: take %s out of an archive on
https://github.com/microsoft/onnxruntime/releases/tag/v%s (or out of the npm package onnxruntime-node@%s, folder bin/, or
the Python package onnxruntime==%s, folder onnxruntime/capi/) and set %s to its path.`,
		Version, platform(), strings.Join(e.Attempts, "\n  "), libraryName(), Version, Version, Version, LibraryEnv)
}

// installRecord is kept beside the library as install.json.
type installRecord struct {
	Version string `json:"version"`
	Source  string `json:"source"`
	SHA256  string `json:"sha256"`
}

// Install puts the pinned ONNX Runtime into the project's cache and returns where it is. It tries the official release
// archive, then the npm package, then the Python package, through the npm and pip clients found on the machine; nothing of
// a package is run. The bytes must match the committed checksums. Two installs at once are fine: the second waits for the
// first and uses its result. progress, which may be nil, gets one line of text a step. An [*InstallError] tells why each way failed.
func Install(ctx context.Context, opts InstallOptions, progress func(string)) (Runtime, error) {
	root, err := CacheDir()
	if err != nil {
		return Runtime{}, err
	}
	in := installer{root: root, releaseBase: releaseBase, progress: progress}
	if progress == nil {
		in.progress = func(string) {}
	}
	return in.install(ctx, opts, pinsHere())
}

// installer carries what tests replace.
type installer struct {
	root        string
	releaseBase string
	progress    func(string)
}

// dir is the library's folder in the cache.
func (in installer) dir() string { return filepath.Join(in.root, "onnxruntime", Version, platform()) }

func (in installer) install(ctx context.Context, opts InstallOptions, known []pin) (Runtime, error) {
	known, err := choosePins(known, opts.Sources)
	if err != nil {
		return Runtime{}, err
	}
	if err := os.MkdirAll(in.dir(), 0o755); err != nil {
		return Runtime{}, fmt.Errorf("cache folder: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(in.dir(), ".lock"), in.progress)
	if err != nil {
		return Runtime{}, err
	}
	defer unlock()
	lib := filepath.Join(in.dir(), libraryName())
	if !opts.Force && in.sound(lib) {
		in.progress("already installed: " + lib)
		return Runtime{Path: lib, Version: Version, From: "cache"}, nil
	}
	in.sweep()
	var failed InstallError
	for _, p := range known {
		in.progress(fmt.Sprintf("trying %s", p.describe()))
		err := in.from(ctx, p, lib)
		if err == nil {
			in.progress("installed " + lib)
			return Runtime{Path: lib, Version: Version, From: "cache"}, nil
		}
		if ctx.Err() != nil {
			return Runtime{}, ctx.Err()
		}
		if errors.Is(err, fs.ErrPermission) || isDiskFull(err) {
			return Runtime{}, fmt.Errorf("cache folder %s: %w", in.dir(), err)
		}
		failed.Attempts = append(failed.Attempts, fmt.Sprintf("%s: %v", p.describe(), err))
		in.progress(failed.Attempts[len(failed.Attempts)-1])
	}
	if len(known) == 0 {
		failed.Attempts = []string{"there is no build of it for this platform"}
	}
	return Runtime{}, &failed
}

// choosePins filters and orders by the wanted sources.
func choosePins(known []pin, wanted []string) ([]pin, error) {
	if len(wanted) == 0 {
		return known, nil
	}
	var out []pin
	for _, w := range wanted {
		switch source(w) {
		case sourceRelease, sourceNPM, sourcePyPI:
		default:
			return nil, fmt.Errorf("unknown source %q; choose from %s, %s, %s", w, sourceRelease, sourceNPM, sourcePyPI)
		}
		for _, p := range known {
			if p.source == source(w) {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

func (p pin) describe() string {
	switch p.source {
	case sourceRelease:
		return "release archive " + p.item
	case sourceNPM:
		return "npm package onnxruntime-node@" + Version
	}
	return "Python package onnxruntime==" + Version + " (" + p.item + ")"
}

// from downloads into a temporary folder of the cache, takes the library out, checks it and moves it into place.
func (in installer) from(ctx context.Context, p pin, lib string) error {
	tmp, err := os.MkdirTemp(in.dir(), ".get-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	var archive string
	switch p.source {
	case sourceRelease:
		archive, err = in.downloadRelease(ctx, p, tmp)
	case sourceNPM:
		archive, err = npmPack(ctx, tmp)
	default:
		archive, err = pipDownload(ctx, p, tmp)
	}
	if err != nil {
		return err
	}
	if p.archive != "" {
		if err := checkSum(archive, p.archive); err != nil {
			return err
		}
	}
	out := filepath.Join(tmp, libraryName())
	if err := extractMember(archive, p.member, out); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(archive), err)
	}
	sum, err := fileSum(out)
	if err != nil {
		return err
	}
	if p.library != "" && sum != p.library {
		return sumError(p.member, sum, p.library)
	}
	in.progress("checksum is right: sha256 " + sum)
	return in.place(out, lib, installRecord{Version: Version, Source: string(p.source), SHA256: sum})
}

// place renames record and library into the cache, the library last: when it is there, all is there.
func (in installer) place(from, lib string, rec installRecord) error {
	data, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	tmp := from + ".json"
	if err := writeSynced(tmp, append(data, '\n')); err != nil {
		return err
	}
	if err := os.Rename(tmp, in.recordPath()); err != nil {
		return err
	}
	if err := os.Rename(from, lib); err != nil {
		return err
	}
	return syncFolder(in.dir())
}

func (in installer) recordPath() string { return filepath.Join(in.dir(), "install.json") }

// sound tells whether an installed library is still what its record says.
func (in installer) sound(lib string) bool {
	data, err := os.ReadFile(in.recordPath())
	if err != nil {
		return false
	}
	var rec installRecord
	if json.Unmarshal(data, &rec) != nil || rec.Version != Version {
		return false
	}
	sum, err := fileSum(lib)
	return err == nil && sum == rec.SHA256
}

// sweep removes what installs that were killed have left; the caller holds the lock.
func (in installer) sweep() {
	left, _ := filepath.Glob(filepath.Join(in.dir(), ".get-*"))
	for _, d := range left {
		os.RemoveAll(d)
	}
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func checkSum(path, want string) error {
	got, err := fileSum(path)
	if err != nil {
		return err
	}
	if got != want {
		return sumError(filepath.Base(path), got, want)
	}
	return nil
}

func sumError(what, got, want string) error {
	return fmt.Errorf("%s has the wrong checksum: sha256 %s, expected %s; not installed", what, got, want)
}
