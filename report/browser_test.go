package report

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// browser is a Chromium of this machine. Without one the test is skipped with the reason, which
// test.sh lists; strict mode does not fail for it, since nothing that the project ships needs a
// browser.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs chromium or google-chrome")
	return ""
}

// look is a script that writes into the page what a reader would see.
const look = `<pre id="found"></pre><script>
document.querySelectorAll("details").forEach(d=>d.open=true);
const seen={width:innerWidth,scroll:document.documentElement.scrollWidth,figures:{},outside:[],small:[]};
document.querySelectorAll("svg.plot").forEach(s=>{
  const b=s.getBoundingClientRect();
  seen.figures[s.id]=[b.width,b.height];
  s.querySelectorAll("text").forEach(x=>{
    const r=x.getBoundingClientRect();
    if(r.left<b.left-2||r.right>b.right+2||r.top<b.top-2||r.bottom>b.bottom+2)seen.outside.push(s.id+": "+x.textContent);
    if(r.height<7)seen.small.push(s.id+": "+x.textContent+" "+r.height);
  });
});
seen.dark=getComputedStyle(document.documentElement).backgroundColor;
document.getElementById("found").textContent="FOUND"+JSON.stringify(seen)+"FOUND";
</script></body>`

type seen struct {
	Width, Scroll  float64
	Figures        map[string][2]float64
	Outside, Small []string
	Dark           string
}

// visit opens a page in a window and answers what there is to see.
func visit(t *testing.T, chromium, path string, width int) seen {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(),
		fmt.Sprintf("--window-size=%d,900", width), "--dump-dom", "file://"+path)
	c.WaitDelay = 10 * time.Second
	out, err := c.Output()
	parts := strings.Split(string(out), "FOUND")
	if len(parts) < 3 {
		t.Fatalf("%s does not show the page: %v\n%.2000s", chromium, err, out)
	}
	var s seen
	if err := json.Unmarshal([]byte(html.UnescapeString(parts[1])), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBrowserShowsEveryFigure opens pages of few and of many runs as wide as a phone and as a
// desk: every figure has a size, no text leaves its figure or is too small to read, and the
// page is not wider than the window.
func TestBrowserShowsEveryFigure(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	chromium := browser(t)
	for name, n := range map[string]sized{"three": {models: 3, seeds: 1, layers: 2, experts: 4, steps: 60}, "sixty": {models: 20, seeds: 3, layers: 2, experts: 8, steps: 60}} {
		must := []string{"loss-steps", "loss-seconds", "differences", "parity", "decode-time", "load-moe-mamba", "entropy"}
		if n.models > len(names) { // there are several learning rates
			must = append(must, "rates", "rates-above-best")
		}
		dir := t.TempDir()
		synthesise(t, dir, n)
		p, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := p.HTML(false)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "look.html")
		if err := os.WriteFile(path, []byte(strings.Replace(string(raw), "</body>", look, 1)), 0o666); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int{390, 1280} {
			s := visit(t, chromium, path, width)
			if len(s.Figures) != len(p.Figures()) {
				t.Errorf("%s runs, %d wide: %d figures of %d", name, width, len(s.Figures), len(p.Figures()))
			}
			for _, id := range must {
				if _, ok := s.Figures[id]; !ok {
					t.Errorf("%s runs, %d wide: there is no figure %s", name, width, id)
				}
			}
			for _, f := range p.Figures() {
				if size := s.Figures[f.ID]; size[0] < 280 || size[1] < 60 {
					t.Errorf("%s runs, %d wide: figure %s is %v large", name, width, f.ID, size)
				}
			}
			if s.Scroll > s.Width {
				t.Errorf("%s runs: the page is %v wide in a window of %v", name, s.Scroll, s.Width)
			}
			if len(s.Outside) > 0 || len(s.Small) > 0 {
				t.Errorf("%s runs, %d wide: texts outside of their figures %q, too small %q", name, width, s.Outside, s.Small)
			}
		}
	}
}
