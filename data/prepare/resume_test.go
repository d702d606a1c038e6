package prepare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/data"
)

// many writes sources of all kinds, and answers options that make use of all of them: a long
// document, which is read as a stream, many short ones, and repeats.
func many(t *testing.T) Options {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	text := func(words int) string {
		var b strings.Builder
		for range words {
			fmt.Fprintf(&b, "%c%d ", 'a'+rng.IntN(26), rng.IntN(50))
			if rng.IntN(12) == 0 {
				b.WriteByte('\n')
			}
		}
		return b.String()
	}
	var short []string
	for i := range 700 {
		if i%10 == 9 {
			short = append(short, short[rng.IntN(i)])
		} else {
			short = append(short, text(rng.IntN(120)))
		}
	}
	write(t, map[string]string{"a.jsonl": lines(short...), "folder/1.txt": text(40), "folder/2.txt": text(300_000), "folder/3.jsonl": lines(short[:50]...), "z.txt": text(20_000)})
	o := options("a.jsonl", "folder", "z.txt")
	o.Weights, o.Holdout, o.Dedup, o.ShardSize = map[string]float64{"folder": 0.5}, 0.2, true, 200_000
	return o
}

// made prepares into a folder and answers its files.
func made(t *testing.T, ctx context.Context, o Options, out string) map[string]string {
	t.Helper()
	o.Out = out
	m, err := Prepare(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if m.Total.Documents == 0 || m.Total.Tokens <= m.Total.HeldTokens {
		t.Fatalf("counted %+v", m.Total)
	}
	if left, _ := filepath.Glob("." + out + "*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
	return contents(t, out)
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	there, err := os.ReadDir(dir)
	for _, f := range there {
		raw, e := os.ReadFile(filepath.Join(dir, f.Name()))
		err = errors.Join(err, e)
		files[f.Name()] = string(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs", name)
		}
	}
	if len(got) != len(want) || len(want) < 12 {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
}

// TestTheSameSourcesGiveTheSameFolder, byte by byte, on any number of threads.
func TestTheSameSourcesGiveTheSameFolder(t *testing.T) {
	o := many(t)
	o.Threads = 1
	want := made(t, context.Background(), o, "x")
	p, err := data.OpenPrepared("x")
	if err != nil || p.Check() != nil {
		t.Fatal(err, p.Check())
	}
	for _, o.Threads = range []int{0, 5} {
		same(t, made(t, context.Background(), o, fmt.Sprint("y", o.Threads)), want)
	}
}

// interrupt prepares into a folder until so much of the sources has been read, and answers the
// token files that are left behind.
func interrupt(t *testing.T, o Options, out string, share float64) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o.Out = out
	o.Progress = func(p Progress) {
		if p.Pass == "writing tokens" && float64(p.Done) >= share*float64(p.All) {
			cancel()
		}
	}
	if _, err := Prepare(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	left, err := filepath.Glob("." + out + ".preparing/*.tokens")
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// TestInterruptedPreparationsGoOn: files that are whole are kept, those of sources or options that
// have changed are not, and the result is always that of an undisturbed preparation.
func TestInterruptedPreparationsGoOn(t *testing.T) {
	o := many(t)
	want := made(t, context.Background(), o, "want")
	kept := 0
	for i, share := range []float64{0.1, 0.5, 0.95, 1} {
		out := fmt.Sprint("go", i)
		left := interrupt(t, o, out, share)
		var before []os.FileInfo
		for _, name := range left {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			before = append(before, info)
		}
		// A process that is killed leaves files behind its saving, too.
		if err := os.MkdirAll("."+out+".preparing", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("."+out+".preparing/train-000-99999.tokens", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		same(t, made(t, context.Background(), o, out), want)
		for j, name := range left {
			after, err := os.Stat(filepath.Join(out, filepath.Base(name)))
			if err != nil {
				t.Fatal(err)
			}
			if os.SameFile(before[j], after) {
				kept++
			} else {
				t.Errorf("%s was written again", name)
			}
		}
	}
	if kept < 20 {
		t.Errorf("only %d files were there to be kept", kept)
	}
}

// TestKeptFilesOfOtherDocumentsAreDropped, whatever has changed.
func TestKeptFilesOfOtherDocumentsAreDropped(t *testing.T) {
	for name, change := range map[string]func(o *Options) error{
		"an early document":       func(*Options) error { return replace("a.jsonl", `"id":3`, `"id":3, "text":"changed"`) },
		"a long document":         func(*Options) error { return appendTo("folder/2.txt", "more") },
		"a source that was done":  func(*Options) error { return appendTo("a.jsonl", lines("one more")) },
		"a source became shorter": func(*Options) error { return os.WriteFile("a.jsonl", []byte(lines("one", "two")), 0o644) },
		"the shard size":          func(o *Options) error { o.ShardSize = 250_000; return nil },
		"a kept file":             func(*Options) error { return os.Truncate(".out.preparing/train-000-00000.tokens", 1000) },
		"the progress":            func(*Options) error { return os.WriteFile(".out.preparing/.progress.json", []byte("{"), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			o := many(t)
			if left := interrupt(t, o, "out", 0.9); len(left) < 5 {
				t.Fatalf("%d files are left", len(left))
			}
			if err := change(&o); err != nil {
				t.Fatal(err)
			}
			same(t, made(t, context.Background(), o, "out"), made(t, context.Background(), o, "want"))
		})
	}
}

func replace(path, old, new string) error {
	raw, err := os.ReadFile(path)
	if err == nil && !bytes.Contains(raw, []byte(old)) {
		err = fmt.Errorf("there is no %s in %s", old, path)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes.Replace(raw, []byte(old), []byte(new), 1), 0o644)
}

func appendTo(path, text string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, text...), 0o644)
}

// TestOneProcessPreparesAFolder at a time.
func TestOneProcessPreparesAFolder(t *testing.T) {
	write(t, map[string]string{"a.txt": "text", ".out.preparing/train-000-00000.tokens": "half"})
	_, done, err := stage("out")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(context.Background(), options("a.txt")); err == nil || !strings.Contains(err.Error(), "out: is being prepared by another process") {
		t.Errorf("error %v", err)
	}
	done(false)
	if _, err := Prepare(context.Background(), options("a.txt")); err != nil {
		t.Error(err)
	}
}
