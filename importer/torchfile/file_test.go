package torchfile

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moezoo/moezoo/safetensors"
)

// expected are the tensors of the files that testdata/make.py saved, as PyTorch read them.
func expected(t *testing.T) map[string]map[string]struct {
	DType string
	Shape []int64
	Data  []float64
} {
	t.Helper()
	raw, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]map[string]struct {
		DType string
		Shape []int64
		Data  []float64
	}{}
	if err := json.Unmarshal(raw, &files); err != nil || len(files) < 11 {
		t.Fatal(len(files), err)
	}
	return files
}

var dtypes = map[string]safetensors.DType{
	"float32": safetensors.F32, "float16": safetensors.F16, "bfloat16": safetensors.BF16, "float64": safetensors.F64, "int64": safetensors.I64,
}

func TestFilesOfTorchSaveReadAsPyTorchReadsThem(t *testing.T) {
	for name, tensors := range expected(t) {
		f, err := Open(filepath.Join("testdata", name))
		if err != nil {
			t.Error(err)
			continue
		}
		defer f.Close()
		if len(f.Names()) != len(tensors) || !slices.IsSorted(f.Names()) {
			t.Errorf("%s: %v", name, f.Names())
		}
		for key, want := range tensors {
			info, ok := f.Info(key)
			if !ok || info.Name != key || info.DType != dtypes[want.DType] || !slices.Equal(info.Shape, want.Shape) {
				t.Errorf("%s: %s: %+v, want %s%v", name, key, info, want.DType, want.Shape)
			}
			got, err := f.Float32(key)
			if want.DType == "int64" {
				if err == nil || !strings.Contains(err.Error(), "is I64, want floats") {
					t.Errorf("%s: %s: %v", name, key, err)
				}
				continue
			}
			if err != nil || len(got) != len(want.Data) {
				t.Errorf("%s: %s: %d elements, want %d (%v)", name, key, len(got), len(want.Data), err)
				continue
			}
			for i, v := range want.Data {
				if math.Float32bits(got[i]) != math.Float32bits(float32(v)) {
					t.Errorf("%s: %s[%d] = %v, want %v", name, key, i, got[i], v)
				}
			}
		}
		if _, err := f.Float32("absent"); err == nil || !strings.Contains(err.Error(), `there is no tensor "absent"`) {
			t.Error(err)
		}
	}
}

func TestShardsAreFoundThroughTheirIndex(t *testing.T) {
	s, err := OpenSharded("testdata/sharded.bin.index.json")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := expected(t)["state_dict_2.bin"]
	if len(s.Names()) != len(want) {
		t.Errorf("%v", s.Names())
	}
	for key, w := range want {
		info, ok := s.Info(key)
		if !ok || !slices.Equal(info.Shape, w.Shape) {
			t.Errorf("%s: %v %v", key, info, w.Shape)
		}
		if got, err := s.Float32(key); w.DType == "float32" && (err != nil || float64(got[0]) != w.Data[0]) {
			t.Errorf("%s: %v %v", key, got, err)
		}
	}
}

// TestOldFormsAreCalledUnsupported: what torch.load(weights_only=False) still reads has no
// second reader here.
func TestOldFormsAreCalledUnsupported(t *testing.T) {
	for name, want := range map[string]string{
		"legacy.bin": "a bare pickle as PyTorch wrote before 1.6 is unsupported",
		"script.bin": "a TorchScript program is unsupported",
	} {
		if _, err := Open(filepath.Join("testdata", name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe.bin")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"testdata", pipe} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "is no regular file") {
			t.Error(err)
		}
		if _, err := safetensors.Open(path); err == nil || !strings.Contains(err.Error(), "is no regular file") {
			t.Error(err)
		}
	}
}

func TestAFileThatShrinksIsAnError(t *testing.T) {
	raw, err := os.ReadFile("testdata/float32.bin")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.bin")
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 700); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Float32("a"); err == nil || !strings.Contains(err.Error(), "has the file shrunk?") {
		t.Error(err)
	}
}

// TestLargeViewsAreReadInPieces: storages of more than one window, in every order.
func TestLargeViewsAreReadInPieces(t *testing.T) {
	const rows, columns = 700, 1000
	data := make([]byte, 0, 4*rows*columns)
	for i := range rows * columns {
		data = le32(data, math.Float32bits(float32(i)))
	}
	s := storageID("FloatStorage", "0", rows*columns)
	f := mustRead(t, build(part("m/data.pkl", stateDictOf(
		"whole", view(s, 0, ints(rows, columns), ints(columns, 1)),
		"transposed", view(s, 0, ints(columns, rows), ints(1, columns)),
		"cube", view(s, 0, ints(100, 7, 1000), ints(1000, 100_000, 1)),
		"steps", view(s, 5, ints(3, 100_000), ints(2, 6)),
		"spread", view(s, 7, ints(3, 300_000), ints(0, 2)),
	)), part("m/data/0", string(data))))
	check := func(name string, of func(i int) int) {
		t.Helper()
		v, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range v {
			if int(v[i]) != of(i) {
				t.Fatalf("%s[%d] = %v, want %d", name, i, v[i], of(i))
			}
		}
	}
	check("whole", func(i int) int { return i })
	check("transposed", func(i int) int { return i%rows*columns + i/rows })
	check("cube", func(i int) int { return i/7000*1000 + i/1000%7*100_000 + i%1000 })
	check("steps", func(i int) int { return 5 + i/100_000*2 + i%100_000*6 })
	check("spread", func(i int) int { return 7 + i%300_000*2 })
}
