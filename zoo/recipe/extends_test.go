package recipe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder writes files and returns where they are.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestExtensionsMergeKeyByKeyAndReplaceLists(t *testing.T) {
	dir := folder(t, map[string]string{
		"a.yaml":      "name: a\nextends: sub/b.yaml\ntrain: {lr: 5e-4}\n",
		"sub/b.yaml":  "name: b\nextends: c.yaml\nlayers: [ff: {expert: gelu, width: 2x}]\n",
		"sub/c.yaml":  "name: c\nextends: moe-mamba-v1\ndoc: from c\nrepeat: 3\n",
		"nobody.yaml": "extends: moe-mamba-v1\n",
	})
	r, err := Load(filepath.Join(dir, "a.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "a" || r.Doc != "from c" || r.Repeat != 3 || len(r.Layers) != 1 || r.Layers[0].Blocks[0].FF == nil ||
		r.Train.LR != 5e-4 || r.Train.Batch != 256 || r.Vocabulary.Kind != GPT2 || r.FinalNorm != nil {
		t.Errorf("%s", r.YAML())
	}
	if _, err := Load(filepath.Join(dir, "nobody.yaml")); err == nil || !strings.Contains(err.Error(), "the recipe has no name") {
		t.Errorf("a name was inherited: %v", err)
	}
}

func TestExtensionsEndAndNameWhatIsWrong(t *testing.T) {
	files := map[string]string{
		"self.yaml":    "name: a\nextends: self.yaml\n",
		"one.yaml":     "name: a\nextends: two.yaml\n",
		"two.yaml":     "name: a\nextends: one.yaml\n",
		"gone.yaml":    "name: a\nextends: nowhere.yaml\n",
		"folder.yaml":  "name: a\nextends: ./\n",
		"missing.yaml": "name: a\nextends: moe-mamba-tinny\n",
		"broken.yaml":  "name: a\nextends: bad.yaml\n",
		"bad.yaml":     "name: a\nlayers: [mamba\n",
		"late.yaml":    "name: a\nextends: wrong.yaml\n",
		"wrong.yaml":   "name: a\nd_model: many\nlayers: [mamba]\n",
	}
	for i := range 12 {
		files[fmt.Sprintf("deep%d.yaml", i)] = fmt.Sprintf("name: a\nextends: deep%d.yaml\n", i+1)
	}
	dir := folder(t, files)
	for name, want := range map[string]string{
		"self.yaml":    "self.yaml:2:10: \"self.yaml\" extends itself",
		"one.yaml":     ".yaml\" extends itself",
		"gone.yaml":    "gone.yaml:2:10: extends \"nowhere.yaml\": cannot be read: no such file or directory",
		"folder.yaml":  "folder.yaml:2:10: extends \"./\": is no regular file",
		"missing.yaml": "did you mean \"moe-mamba-tiny\"?",
		"broken.yaml":  "bad.yaml:2:9: ",
		"late.yaml":    "wrong.yaml:2:10: d_model: got \"many\", want a whole number",
		"deep0.yaml":   "more than 8 recipes extend one another",
		"absent.yaml":  "absent.yaml: cannot be read: no such file or directory",
	} {
		_, err := Load(filepath.Join(dir, name))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", name, err, want)
		}
	}
}

func TestErrorsOfOthersPointAtTheNearestWrittenPart(t *testing.T) {
	r, err := Parse("a.yaml", []byte("name: a\nd_model: 32\nlayers:\n  - parallel:\n      - mamba\n      - moe: {router: {use: switch, balance: 7}, width: 3x}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"layers[0].parallel[1].moe.router.balance": "a.yaml:6:46: too much",
		"layers[0].parallel[1].moe.router.other":   "a.yaml:6:23: too much",
		"layers[0].parallel[1].moe.experts":        "a.yaml:6:14: too much",
		"layers[7].moe":                            "a.yaml:4:3: too much",
		"train.lr":                                 "a.yaml:1:1: too much",
	} {
		if got := r.ErrorAt(path, "too much", "").Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	set, err := Load("moe-mamba-tiny", "layers.moe.router={use: switch, balance: 7}")
	if err != nil {
		t.Fatal(err)
	}
	got := set.ErrorAt(set.Layers[1].Blocks[0].Path+".router.balance", "too much", "at most 1").Error()
	want := "--set:1:42: too much\n   1 | layers.moe.router={use: switch, balance: 7}\n     |                                          ^\nhint: at most 1"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
