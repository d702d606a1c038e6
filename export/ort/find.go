package ort

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// LibraryEnv is the environment variable that names the shared library to use, before every other place.
const LibraryEnv = "ONNXRUNTIME_LIB"

// CacheEnv moves the project's cache folder, which is otherwise moezoo/ in the user's cache folder.
const CacheEnv = "MOEZOO_CACHE"

// minMinor is the oldest ONNX Runtime 1.x whose C interface (version 24) the binding can use.
const minMinor = 24

// Runtime is an ONNX Runtime shared library found on this machine.
type Runtime struct {
	Path string
	// Version is "1.30.0", or "" where it cannot be told without loading the library.
	Version string
	// From tells how it was found: "environment", "system" or "cache".
	From string
}

// String says version and place in one line.
func (r Runtime) String() string {
	if r.Path == "" {
		return "no ONNX Runtime"
	}
	return fmt.Sprintf("ONNX Runtime %s (%s, from %s)", cmp.Or(r.Version, "of unknown version"), r.Path, r.From)
}

// NotFoundError says that no usable ONNX Runtime is on this machine, and where it was looked for.
type NotFoundError struct {
	// Looked has one line a place: the path and what was wrong there.
	Looked []string
}

func (e *NotFoundError) Error() string {
	return "no usable ONNX Runtime (version 1." + strconv.Itoa(minMinor) + " or newer) found; looked in:\n  " +
		strings.Join(e.Looked, "\n  ") +
		"\nget it with:  zoo runtime install\nor set " + LibraryEnv + " to the path of " + libraryName()
}

// Find looks for ONNX Runtime: $ONNXRUNTIME_LIB (a file, or a folder that holds it), then the system's library folders, then
// the cache that [Install] fills. When the variable is set, it alone counts. The error is a [*NotFoundError].
func Find() (Runtime, error) {
	if p := os.Getenv(LibraryEnv); p != "" {
		rt, why := probe(p, "environment")
		if why != "" {
			return Runtime{}, &NotFoundError{Looked: []string{fmt.Sprintf("$%s = %s: %s", LibraryEnv, p, why)}}
		}
		return rt, nil
	}
	looked := []string{"$" + LibraryEnv + ": not set"}
	for _, dir := range systemFolders() {
		rt, why := probe(dir, "system")
		if why == "" {
			return rt, nil
		}
		looked = append(looked, dir+": "+why)
	}
	root, err := CacheDir()
	if err != nil {
		return Runtime{}, &NotFoundError{Looked: append(looked, err.Error())}
	}
	return findInCache(root, looked)
}

// findInCache prefers the pinned version, then the newest other one.
func findInCache(root string, looked []string) (Runtime, error) {
	dirs, _ := filepath.Glob(filepath.Join(root, "onnxruntime", "*", platform()))
	slices.SortFunc(dirs, func(a, b string) int {
		va, vb := filepath.Base(filepath.Dir(a)), filepath.Base(filepath.Dir(b))
		if va == Version || vb == Version {
			return cmp.Compare(b2i(vb == Version), b2i(va == Version))
		}
		return -compareVersions(va, vb)
	})
	if len(dirs) == 0 {
		looked = append(looked, filepath.Join(root, "onnxruntime")+": nothing installed for "+platform())
	}
	for _, dir := range dirs {
		rt, why := probe(dir, "cache")
		if why == "" {
			rt.Version = cmp.Or(rt.Version, filepath.Base(filepath.Dir(dir)))
			return rt, nil
		}
		looked = append(looked, dir+": "+why)
	}
	return Runtime{}, &NotFoundError{Looked: looked}
}

// CacheDir is where the project keeps what it downloads: $MOEZOO_CACHE, or moezoo/ in the user's cache folder.
func CacheDir() (string, error) {
	if d := os.Getenv(CacheEnv); d != "" {
		return filepath.Abs(d)
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w (set %s)", err, CacheEnv)
	}
	return filepath.Join(d, "moezoo"), nil
}

// platform is the cache folder's name for this machine: "linux_amd64".
func platform() string { return runtime.GOOS + "_" + runtime.GOARCH }

// libraryName is the file name under which the library is kept in the cache, and first looked for elsewhere.
func libraryName() string {
	switch runtime.GOOS {
	case "windows":
		return "onnxruntime.dll"
	case "darwin":
		return "libonnxruntime.dylib"
	}
	return "libonnxruntime.so"
}

// systemFolders lists the library folders of the operating system; the loader's own variables come first.
func systemFolders() []string {
	switch runtime.GOOS {
	case "windows": // not System32: Windows ships an old onnxruntime.dll of its own there
		if exe, err := os.Executable(); err == nil {
			return []string{filepath.Dir(exe)}
		}
		return nil
	case "darwin":
		return append(filepath.SplitList(os.Getenv("DYLD_LIBRARY_PATH")), "/opt/homebrew/lib", "/usr/local/lib")
	}
	triple := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	dirs := append(filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")), "/usr/local/lib", "/usr/lib64", "/usr/lib")
	if triple != "" {
		dirs = append(dirs, "/usr/lib/"+triple)
	}
	return append(dirs, "/opt/onnxruntime/lib")
}

// probe looks at a file, or for the library in a folder; why says what keeps it from being used, "" when nothing does.
func probe(path, from string) (rt Runtime, why string) {
	st, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return rt, "does not exist"
		}
		return rt, err.Error()
	}
	if !st.IsDir() {
		return probeFile(path, from)
	}
	why = "no " + libraryName()
	for _, file := range librariesIn(path) {
		if rt, why = probeFile(file, from); why == "" {
			return rt, ""
		}
		why = filepath.Base(file) + " " + why
	}
	return rt, why
}

// librariesIn lists candidates in a folder, the unversioned name first.
func librariesIn(dir string) []string {
	pattern := map[string]string{"windows": "onnxruntime.dll", "darwin": "libonnxruntime*.dylib"}[runtime.GOOS]
	files, _ := filepath.Glob(filepath.Join(dir, cmp.Or(pattern, "libonnxruntime.so*")))
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	return files
}

func probeFile(path, from string) (Runtime, string) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Runtime{}, err.Error()
	}
	rt := Runtime{Path: abs, From: from}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		rt.Version = versionIn(filepath.Base(real))
	}
	if runtime.GOOS == "linux" {
		v, err := elfVersion(abs)
		if err != nil {
			return rt, "is not a usable shared library: " + err.Error()
		}
		rt.Version = cmp.Or(v, rt.Version)
	}
	if rt.Version != "" && compareVersions(rt.Version, fmt.Sprintf("1.%d.0", minMinor)) < 0 {
		return rt, fmt.Sprintf("is version %s, too old (1.%d or newer is needed)", rt.Version, minMinor)
	}
	return rt, ""
}

var versionPattern = regexp.MustCompile(`\d+\.\d+\.\d+`)

func versionIn(name string) string { return versionPattern.FindString(name) }

// elfVersion reads the version out of the library's symbol version (VERS_1.30.0), without loading it, and checks that the
// file is for this machine's processor.
func elfVersion(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]
	if machine != 0 && f.Machine != machine {
		return "", fmt.Errorf("built for %s, this machine is %s", f.Machine, runtime.GOARCH)
	}
	versions, err := f.DynamicVersions()
	if err != nil {
		return "", nil // no symbol versions: the version stays unknown
	}
	for _, v := range versions {
		if rest, ok := strings.CutPrefix(v.Name, "VERS_"); ok {
			return versionIn(rest), nil
		}
	}
	return "", nil
}

// compareVersions compares dotted numbers; parts that are not numbers count as 0.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		var x, y int
		if i < len(as) {
			x, _ = strconv.Atoi(as[i])
		}
		if i < len(bs) {
			y, _ = strconv.Atoi(bs[i])
		}
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	return 0
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
