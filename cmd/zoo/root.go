package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// flags that every command has.
var global struct {
	pluginDirs []string
	pluginDev  []string
	device     string
	threads    int
	verbose    bool
	completing bool // a shell asks how the words go on: they may be unfinished
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "zoo",
		Short: "A model zoo for MoE-Mamba: combine mixers, routers and experts; train; export to ONNX",
		Long: `zoo builds sequence models from recipes, trains them on the CPU, and exports them to ONNX files
that any runtime runs with the same numbers.

Exit codes: 0 done, 1 a check failed or training diverged, 2 usage or bad input, 3 plugin,
4 device, 5 environment (lock held, disk full, I/O), 130 and 143 signals.`,
		Example: `  zoo quickstart                                # train, write, export and verify, in three minutes
  zoo list 'moe*'
  zoo build moe-mamba-25m --set layers.moe.router=topk
  zoo train moe-mamba-tiny --data book.txt --out runs/a`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(c *cobra.Command, args []string) error {
			setLog()
			if global.completing = c.Name() == cobra.ShellCompRequestCmd; global.completing {
				return nil
			}
			return checkNames(c, args)
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringArrayVar(&global.pluginDirs, "plugin-dir", nil, "look for plugins here first")
	f.StringArrayVar(&global.pluginDev, "plugin-dev", nil, "NAME=PATH: use this plugin without the lock")
	f.StringVar(&global.device, "device", "cpu", "where to compute: cpu")
	f.IntVar(&global.threads, "threads", 0, "worker threads, one per processor when 0; results do not depend on it")
	f.BoolVarP(&global.verbose, "verbose", "v", false, "log what happens")
	root.AddCommand(listCommand(), showCommand(), buildCommand(), checkCommand(), benchCommand(), dataCommand(), trainCommand(), importCommand(), upcycleCommand(), evalCommand(),
		compareCommand(), reportCommand(), generateCommand(), exportCommand(), verifyCommand(),
		quickstartCommand(), pluginCommand(), runtimeCommand(), doctorCommand())
	completeFlag(root, "device", "cpu")
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Example = "  source <(zoo completion bash)\n  zoo completion zsh > \"${fpath[1]}/_zoo\""
		group(c)
	}
	onlyOnce(root)
	return root
}

func setLog() {
	level := slog.LevelWarn
	if global.verbose {
		level = slog.LevelDebug
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
}

var hosts struct {
	sync.Mutex
	open []*plugins.Host
}

// newHost starts no plugin yet; it finds them, and keeps the project's lock.
func newHost() (*plugins.Host, error) {
	lock, err := openLock(plugins.FindProject("."))
	if err != nil {
		return nil, err
	}
	return hostWith(lock)
}

// hostWith is newHost with another lock, nil for one without a file.
func hostWith(lock *plugins.Lock) (*plugins.Host, error) {
	cfg, err := hostConfig()
	if err != nil {
		return nil, err
	}
	cfg.Lock = lock
	return openHost(cfg)
}

// hostConfig is where plugins are, as the flags say.
func hostConfig() (plugins.Config, error) {
	cfg := plugins.Config{Dirs: global.pluginDirs, Dev: map[string]string{}, Project: plugins.FindProject("."), Home: plugins.DefaultHome(), Checker: plugins.CheckFunctions}
	for _, d := range global.pluginDev {
		name, path, ok := strings.Cut(d, "=")
		if !ok || name == "" || path == "" {
			return cfg, fmt.Errorf("--plugin-dev %s: want NAME=PATH", d)
		}
		cfg.Dev[name] = path
	}
	return cfg, nil
}

// openHost opens a host that is closed at the program's end.
func openHost(cfg plugins.Config) (*plugins.Host, error) {
	h, err := plugins.NewHost(cfg)
	if err != nil {
		return nil, err
	}
	hosts.Lock()
	hosts.open = append(hosts.open, h)
	hosts.Unlock()
	return h, nil
}

// closeHosts ends every plugin.
func closeHosts() {
	hosts.Lock()
	defer hosts.Unlock()
	for _, h := range hosts.open {
		h.Close()
	}
	hosts.open = nil
}

func newDevice() (backend.Device, error) {
	if global.device != "cpu" {
		return nil, deviceError{fmt.Errorf("device %q is not available: this program computes on the cpu only", global.device)}
	}
	if global.threads < 0 {
		return nil, fmt.Errorf("--threads %d: want 0 or more", global.threads)
	}
	return cpu.New(global.threads), nil
}

// loadModel reads a recipe with its settings and asks plugins for its functions.
func loadModel(c *cobra.Command, name string, settings []string) (*zoo.Model, error) {
	return buildModel(c, name, settings, zoo.Build)
}

// buildModel reads a recipe with its settings, tells its notes, and builds the model.
func buildModel(c *cobra.Command, name string, settings []string, build func(context.Context, *recipe.Recipe, *plugins.Host) (*zoo.Model, error)) (*zoo.Model, error) {
	r, notes, err := recipe.LoadWith(name, settings)
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		fmt.Fprintln(c.ErrOrStderr(), "note: "+n)
	}
	h, err := newHost()
	if err != nil {
		return nil, err
	}
	return build(c.Context(), r, h)
}

// printJSON writes a value for scripts.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// human writes a count with thousands separated.
func human(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func megabytes(n int) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}
