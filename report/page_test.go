package report

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moezoo/moezoo/train/metrics"
)

func page3(t testing.TB) (dir string, p *Page) {
	t.Helper()
	dir = t.TempDir()
	synthesise(t, dir, sized{models: 4, seeds: 2, layers: 2, experts: 4, steps: 100})
	p, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, p
}

// wanted are the figures that a study with routers and measured decoding has.
var wanted = []string{"loss-steps", "loss-tokens", "loss-flops", "loss-seconds", "train-loss", "parity", "decode-time", "decode-state", "load-moe-mamba", "load-transformer-moe", "entropy", "busiest", "dropped", "differences"}

func TestPageHoldsEveryFigureAndNoAddress(t *testing.T) {
	dir, p := page3(t)
	path := filepath.Join(dir, "report.html")
	if err := p.Write(path); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range wanted {
		if !bytes.Contains(raw, []byte(`<svg id="`+id+`"`)) {
			t.Errorf("the page has no figure %s", id)
		}
		checkSVG(t, filepath.Join(dir, FiguresFolder, id+".svg"))
		checkCSV(t, filepath.Join(dir, FiguresFolder, id+".csv"))
	}
	for _, name := range []string{"runs", "timing"} {
		checkCSV(t, filepath.Join(dir, FiguresFolder, name+".csv"))
	}
	rest := strings.ReplaceAll(string(raw), `xmlns="http://www.w3.org/2000/svg"`, "")
	if found := regexp.MustCompile(`(?i)https?://|<script|<link|@import|src=|\burl\([^#]`).FindString(rest); found != "" {
		t.Errorf("the page is not of one piece: %q", found)
	}
	if strings.Contains(rest, "NaN") || strings.Contains(rest, "ZgotmplZ") || strings.Contains(rest, "%!") {
		t.Error("the page shows what no one should see")
	}
	again, err := p.HTML(false)
	if err != nil || !bytes.Equal(again, raw) {
		t.Error("the same runs give another page")
	}
}

// checkSVG reads a drawing as XML.
func checkSVG(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	for d := xml.NewDecoder(f); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
	}
}

func checkCSV(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if rows, err := csv.NewReader(f).ReadAll(); err != nil || len(rows) < 2 {
		t.Errorf("%s: %d rows, %v", path, len(rows), err)
	}
}

func TestPageOfRunsThatHaveJustBegun(t *testing.T) {
	dir, _ := page3(t)
	runs, _ := filepath.Glob(filepath.Join(dir, "runs", "*"))
	for i, run := range runs {
		path := filepath.Join(run, metrics.File)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0: // cut in the middle of a record, as a reader may find it
			write(t, path, raw[:len(raw)/3])
		case 1:
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		case 2:
			if err := os.RemoveAll(run); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	html, err := p.HTML(false)
	if err != nil || len(p.Missing) == 0 || !bytes.Contains(html, []byte("have not begun")) || bytes.Contains(html, []byte("NaN")) {
		t.Errorf("%v, missing %v", err, p.Missing)
	}
}

func TestHTMLIsEscaped(t *testing.T) {
	dir := t.TempDir()
	name := `<b>"&'</b>`
	n := sized{models: 1, seeds: 1, layers: 1, experts: 2, steps: 30}
	synthesise(t, dir, n)
	r, err := LoadRun(filepath.Join(dir, "runs", "mamba-s0-0123abcd"))
	if err != nil {
		t.Fatal(err)
	}
	r.Record.Label = name
	p := &Page{Title: name, Doc: name, Runs: []*Run{r}, Groups: groups([]*Run{r}, nil)}
	html, err := p.HTML(false)
	if err != nil || bytes.Contains(html, []byte("<b>")) {
		t.Errorf("a label is markup: %v", err)
	}
}

func TestEvaluationsMadeUpForCount(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, metrics.File), []byte(`{"step":1,"tokens":10,"seconds":0.5,"cross_entropy":3}
{"step":2,"tokens":20,"seconds":1,"cross_entropy":2}
{"step":2,"held_out_loss":2.5,"held_out_bits_per_byte":3.5}
{"step":3,"tokens":30,"sec`))
	r, err := LoadRun(dir)
	if err != nil || len(r.Held.Step) != 1 || r.Held.Step[0] != 2 || r.Held.Tokens[0] != 20 || r.Held.Seconds[0] != 1 || len(r.Train.Step) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestBusiestExperts(t *testing.T) {
	x := &Router{Load: [][]float64{{1, 1, 1, 1}, {4, 0, 0, 0}, {3, 1, 2, 2}}}
	if got := x.busiest(); !slices.Equal(got, []float64{1, 4, 1.5}) {
		t.Errorf("%v", got)
	}
}

func TestLayersAreInOrder(t *testing.T) {
	for _, c := range [][2]string{{"layers.9/moe", "layers.10/moe"}, {"layers.1/a", "layers.1/b"}, {"a", "a/b"}} {
		if !naturalLess(c[0], c[1]) || naturalLess(c[1], c[0]) {
			t.Errorf("%s does not come before %s", c[0], c[1])
		}
	}
}

// TestServedPageFollowsItsRuns answers 304 while nothing changes, and the new page once a run
// has made a step.
func TestServedPageFollowsItsRuns(t *testing.T) {
	dir, _ := page3(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	loader := &Loader{}
	go func() { ended <- Serve(ctx, l, func() (*Page, error) { return loader.Load(dir) }) }()
	get := func(tag string) (*http.Response, string) {
		r, _ := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+"/page", nil)
		r.Header.Set("If-None-Match", tag)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		body, _ := io.ReadAll(a.Body)
		return a, string(body)
	}
	first, body := get("")
	tag := first.Header.Get("ETag")
	if first.StatusCode != http.StatusOK || !strings.Contains(body, "<script>") || tag == "" {
		t.Fatalf("%d, tag %s", first.StatusCode, tag)
	}
	if again, _ := get(tag); again.StatusCode != http.StatusNotModified {
		t.Errorf("an unchanged page is sent again: %d", again.StatusCode)
	}
	f, err := os.OpenFile(filepath.Join(dir, "runs", "mamba-s0-0123abcd", metrics.File), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"step":101,"tokens":413696,"seconds":21.5,"cross_entropy":1.9,"held_out_loss":1.5,"held_out_bits_per_byte":2.2}` + "\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if now, body := get(tag); now.StatusCode == http.StatusOK && strings.Contains(body, "101 of 100") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the page does not follow its runs")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
