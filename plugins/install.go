package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/internal/whole"
)

// InstallOptions say where a plugin is installed.
type InstallOptions struct {
	Home     string // the user's folder, see DefaultHome
	SHA256   string // hexadecimal; refused unless the binary has this sum; "" accepts any
	Log      *slog.Logger
	Timeouts Timeouts
	RunRoot  string // as in Config
}

// Installed is what Install did.
type Installed struct {
	Path     string // of the installed binary
	Manifest Manifest
}

// Install starts the binary once to describe itself and copies it to
// HOME/plugins/NAME/VERSION/OS_ARCH, with its manifest beside it. Name, version and
// sum all come from the binary. Installing over an older copy is safe while that
// runs: files appear whole, under a temporary name first.
func Install(ctx context.Context, path string, o InstallOptions) (*Installed, error) {
	base := filepath.Base(path)
	if o.Home == "" {
		return nil, &InputError{Detail: "there is no home folder to install to", Hint: "set HOME or ZOO_HOME"}
	}
	file, err := openBinary(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	sum, size, err := hashFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if o.SHA256 != "" && !strings.EqualFold(strings.TrimPrefix(o.SHA256, "sha256:"), sum) {
		return nil, &Error{Plugin: base, Op: "install", Detail: fmt.Sprintf("%s has sha256 %s, %s was expected", path, sum, o.SHA256)}
	}
	desc, err := describeBinary(ctx, base, command{path: path, file: file}, o)
	if err != nil {
		return nil, err
	}
	if registered(desc.Provider) != nil {
		return nil, &Error{Plugin: desc.Provider, Op: "install", Detail: "a built-in provider has this name; the plugin's author must choose another"}
	}
	dir := filepath.Join(o.Home, "plugins", desc.Provider, desc.Version, platform())
	out := &Installed{Path: filepath.Join(dir, binaryPrefix+desc.Provider), Manifest: Manifest{SHA256: sum, Size: size, Description: *desc}}
	if err := startsAlone(ctx, file, out, o); err != nil {
		return nil, err
	}
	return out, place(file, dir, out)
}

// startsAlone starts a copy of the file in an empty folder: only the file is installed, and
// what it needs beside it would be missing there.
func startsAlone(ctx context.Context, file *os.File, out *Installed, o InstallOptions) error {
	if err := os.MkdirAll(o.Home, 0o755); err != nil {
		return err
	}
	alone, err := os.MkdirTemp(o.Home, ".install-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(alone)
	trial := *out
	trial.Path = filepath.Join(alone, filepath.Base(out.Path))
	if err := place(file, alone, &trial); err != nil {
		return err
	}
	copied, err := openBinary(trial.Path)
	if err != nil {
		return err
	}
	defer copied.Close()
	name := out.Manifest.Description.Provider
	if _, err := describeBinary(ctx, name, command{path: trial.Path, file: copied}, o); err != nil {
		e := &Error{
			Plugin: name, Op: "install", Detail: "it starts where it is, but not as a file alone, which is all that is installed", Err: err,
			Hint: "put what it needs beside it into the file (of a Python plugin: FILE.py bundle zoo-plugin-" + name + "), or use it by --plugin-dir",
		}
		var fault *Error
		if errors.As(err, &fault) {
			e.Stderr = fault.Stderr
		}
		return e
	}
	return nil
}

// Identify is the name of the provider in a file: that of the file where it begins with
// zoo-plugin-, else what the program says of itself.
func Identify(ctx context.Context, path string, o InstallOptions) (string, error) {
	file, err := openBinary(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(filepath.Base(path), binaryPrefix) {
		if f, ok := discoverLoose(SourceDev, path, fi); ok && f.Problem == "" {
			return f.Name, nil
		}
	}
	d, err := describeBinary(ctx, filepath.Base(path), command{path: path, file: file}, o)
	if err != nil {
		return "", err
	}
	return d.Provider, nil
}

// openBinary opens a plugin's file, which must be a regular, executable one.
func openBinary(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &InputError{Detail: err.Error()}
	}
	fi, err := f.Stat()
	switch {
	case err != nil:
	case !fi.Mode().IsRegular():
		e := &InputError{Detail: path + " is not a file"}
		if inside := filepath.Join(path, filepath.Base(path)); isFile(inside) {
			e.Hint = "did you mean " + inside + "?"
		}
		err = e
	case fi.Mode()&0o111 == 0:
		err = &InputError{Detail: path + " is not executable", Hint: "chmod +x " + path}
	default:
		return f, nil
	}
	f.Close()
	return nil, err
}

// describeBinary starts a binary just for its description.
func describeBinary(ctx context.Context, name string, c command, o InstallOptions) (*Description, error) {
	h := &Host{cfg: Config{RunRoot: o.RunRoot, Timeouts: o.Timeouts.withDefaults()}, log: o.Log}
	if h.log == nil {
		h.log = slog.Default()
	}
	defer h.Close()
	s, err := h.startProcess(name, c)
	if err != nil {
		return nil, err
	}
	defer s.close()
	d, err := s.describe(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkDescription(d); err != nil {
		return nil, &Error{Plugin: name, Op: "describe", Detail: "its answer was refused: " + err.Error()}
	}
	return describe(d), nil
}

// place copies the hashed file and writes the manifest, each whole or not at all.
// A crash in between leaves a binary that its manifest does not fit, which is
// refused later by name.
func place(file *os.File, dir string, out *Installed) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	release, err := lockDir(dir, lockPatience)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	defer release()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	if err := whole.WriteFunc(out.Path, 0o777, func(w io.Writer) error {
		_, err := io.Copy(w, io.TeeReader(file, h))
		return err
	}); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != out.Manifest.SHA256 {
		os.Remove(out.Path)
		return &Error{Plugin: out.Manifest.Description.Provider, Op: "install", Detail: "the file changed while it was installed; try again"}
	}
	return writeManifest(filepath.Join(dir, manifestName), &out.Manifest)
}

// Remove deletes an installed plugin: one version, or all where version is "".
func Remove(home, name, version string) error {
	root := filepath.Join(home, "plugins")
	var have []string
	entries, _ := os.ReadDir(root)
	for _, e := range entries {
		if e.IsDir() && providerName.MatchString(e.Name()) {
			have = append(have, e.Name())
		}
	}
	if !slices.Contains(have, name) {
		return &InputError{Detail: fmt.Sprintf("no plugin %s is installed in %s", cleanLine(name, 80), root), Hint: didYouMean(name, have)}
	}
	target := filepath.Join(root, name)
	if version != "" {
		target = filepath.Join(target, version)
		if !versionText.MatchString(version) || !isDir(target) {
			return &InputError{Detail: fmt.Sprintf("version %s of %s is not installed", cleanLine(version, 80), name), Hint: didYouMean(version, dirNames(filepath.Join(root, name)))}
		}
	}
	// Out of sight first, so that nobody sees half a plugin.
	trash, err := os.MkdirTemp(root, ".removed")
	if err != nil {
		return err
	}
	if err := os.Rename(target, filepath.Join(trash, "plugin")); err != nil {
		return errors.Join(err, os.Remove(trash))
	}
	if version != "" {
		_ = os.Remove(filepath.Join(root, name)) // fails, rightly, while other versions are there
	}
	return os.RemoveAll(trash)
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

func isDir(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}

func dirNames(dir string) []string {
	var names []string
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}
