package plugins

import (
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
)

// binaryPrefix starts the file name of every external plugin.
const binaryPrefix = "zoo-plugin-"

// Source says where a provider comes from.
type Source string

// The places providers come from, in the order in which they win.
const (
	SourceBuiltin  Source = "built-in"
	SourceAttached Source = "$" + envReattach
	SourceDev      Source = "--plugin-dev"
	SourceFlag     Source = "--plugin-dir"
	SourceProject  Source = "project"
	SourceEnv      Source = "$ZOO_PLUGIN_PATH"
	SourceUser     Source = "user"
	SourceBeside   Source = "beside the program"
)

// unlocked reports whether the lock does not hold what comes from there: a person is
// working on it.
func (s Source) unlocked() bool { return s == SourceDev || s == SourceAttached }

// Found is one provider that discovery came upon, without starting it.
type Found struct {
	Name        string       `json:"name"`                  // from the file name, or the provider's own for built-ins
	Source      Source       `json:"source"`                // where from
	Path        string       `json:"path,omitempty"`        // of the binary; empty for built-ins, the address of what runs already
	SHA256      string       `json:"sha256,omitempty"`      // hexadecimal, as the manifest states; empty where there is none
	Description *Description `json:"description,omitempty"` // nil: not described yet, needs one start
	Problem     string       `json:"problem,omitempty"`     // why it cannot be used; empty if nothing is known against it
	ShadowedBy  string       `json:"shadowed_by,omitempty"` // path or source of the one that wins, empty if this one does

	attached *attachment // of a SourceAttached
}

// searchDir is a folder to look in.
type searchDir struct {
	source Source
	path   string
}

// searchDirs lists the folders in the order in which they win.
func (c *Config) searchDirs() []searchDir {
	var dirs []searchDir
	add := func(s Source, paths ...string) {
		for _, p := range paths {
			if p != "" {
				dirs = append(dirs, searchDir{s, p})
			}
		}
	}
	add(SourceFlag, c.Dirs...)
	if c.Project != "" {
		add(SourceProject, filepath.Join(c.Project, ".zoo", "plugins"))
	}
	add(SourceEnv, filepath.SplitList(os.Getenv("ZOO_PLUGIN_PATH"))...)
	if c.Home != "" {
		add(SourceUser, filepath.Join(c.Home, "plugins"))
	}
	if exe, err := os.Executable(); err == nil && !c.NotBeside {
		add(SourceBeside, filepath.Dir(exe))
	}
	return dirs
}

// platform is this machine's folder name, for example linux_amd64.
func platform() string { return runtime.GOOS + "_" + runtime.GOARCH }

// discoverDir lists the plugins of one folder: executables zoo-plugin-NAME in
// it, and installed trees NAME/VERSION/OS_ARCH.
func discoverDir(d searchDir, preferred func(name string) string) []Found {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil
	}
	var out []Found
	for _, e := range entries {
		path := filepath.Join(d.path, e.Name())
		fi, err := os.Stat(path)
		if err != nil {
			continue
		}
		switch {
		case fi.IsDir() && providerName.MatchString(e.Name()):
			if f, ok := discoverInstalled(d.source, path, preferred(e.Name())); ok {
				out = append(out, f)
			}
		case strings.HasPrefix(e.Name(), binaryPrefix):
			if f, ok := discoverLoose(d.source, path, fi); ok {
				out = append(out, f)
			}
		}
	}
	return out
}

// discoverLoose looks at a file zoo-plugin-NAME. Files with a dot after the
// prefix (sums, notes) are not plugins, but .py and .sh scripts are.
func discoverLoose(source Source, path string, fi os.FileInfo) (Found, bool) {
	name := strings.TrimPrefix(filepath.Base(path), binaryPrefix)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".py"), ".sh")
	if strings.Contains(name, ".") {
		return Found{}, false
	}
	f := Found{Name: name, Source: source, Path: path}
	switch {
	case !providerName.MatchString(name):
		f.Problem = "its name must be " + binaryPrefix + "NAME with NAME like " + providerName.String()
	case !fi.Mode().IsRegular():
		f.Problem = "it is not a regular file"
	case fi.Mode()&0o111 == 0:
		f.Problem = "it is not executable; chmod +x " + path
	}
	return f, true
}

// discoverInstalled looks at a folder NAME that "zoo plugin install" made and
// picks the preferred version, or else the newest one.
func discoverInstalled(source Source, dir, preferred string) (Found, bool) {
	name := filepath.Base(dir)
	versions, err := os.ReadDir(dir)
	if err != nil {
		return Found{}, false
	}
	var have []string
	installed := false // for any platform; other folders are none of ours
	for _, v := range versions {
		if !v.IsDir() || !versionText.MatchString(v.Name()) {
			continue
		}
		if made, _ := filepath.Glob(filepath.Join(dir, v.Name(), "*", manifestName)); len(made) > 0 {
			installed = true
		}
		if _, err := os.Stat(filepath.Join(dir, v.Name(), platform())); err == nil {
			have = append(have, v.Name())
		}
	}
	if len(have) == 0 {
		if !installed {
			return Found{}, false
		}
		return Found{Name: name, Source: source, Path: dir, Problem: "no version for " + platform() + " is installed"}, true
	}
	sort.Slice(have, func(i, j int) bool { return versionLess(have[j], have[i]) })
	version := have[0]
	for _, v := range have {
		if v == preferred {
			version = v
		}
	}
	folder := filepath.Join(dir, version, platform())
	f := Found{Name: name, Source: source, Path: filepath.Join(folder, binaryPrefix+name)}
	m, err := readManifest(filepath.Join(folder, manifestName))
	if err != nil {
		f.Problem = err.Error()
		return f, true
	}
	f.Description, f.SHA256 = &m.Description, m.SHA256
	if fi, err := os.Stat(f.Path); err != nil {
		f.Problem = "its binary is missing: " + err.Error()
	} else if fi.Size() != m.Size {
		f.Problem = "its binary was changed after installation; zoo plugin install it again"
	}
	return f, true
}

// versionLess compares dotted versions: numbers by value, other parts as text; a
// pre-release comes before its release.
func versionLess(a, b string) bool {
	split := func(s string) (core, pre string) {
		s, _, _ = strings.Cut(s, "+")
		core, pre, _ = strings.Cut(s, "-")
		return core, pre
	}
	ac, ap := split(a)
	bc, bp := split(b)
	if c := compareParts(ac, bc); c != 0 {
		return c < 0
	}
	if (ap == "") != (bp == "") {
		return ap != ""
	}
	return compareParts(ap, bp) < 0
}

func compareParts(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		x, y := "0", "0"
		if i < len(as) {
			x = as[i]
		}
		if i < len(bs) {
			y = bs[i]
		}
		xn, xe := strconv.ParseUint(x, 10, 64)
		yn, ye := strconv.ParseUint(y, 10, 64)
		switch {
		case xe == nil && ye == nil && xn != yn:
			if xn < yn {
				return -1
			}
			return 1
		case (xe != nil || ye != nil) && x != y:
			return strings.Compare(x, y)
		}
	}
	return 0
}
