//go:build cgo

package ort_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moezoo/moezoo/export/ort"
	"github.com/moezoo/moezoo/export/ort/orttest"
)

func arithInputs(rows int64) map[string]ort.Tensor {
	a, b := make([]float32, 3*rows), make([]float32, 3*rows)
	for i := range a {
		a[i], b[i] = float32(i), 2
	}
	return map[string]ort.Tensor{
		"a": {Shape: []int64{rows, 3}, F32: a}, "b": {Shape: []int64{rows, 3}, F32: b},
		"d": {F64: []float64{1.25}}, "i": {Shape: []int64{2}, I32: []int32{3, -4}},
	}
}

func arithWant(rows int64) map[string]ort.Tensor {
	n := 3 * rows
	sum, more, total := make([]float32, n), make([]bool, n), float32(0)
	for i := range sum {
		sum[i], more[i] = float32(i)+2, i > 2
		total += sum[i]
	}
	return map[string]ort.Tensor{
		"sum": {Shape: []int64{rows, 3}, F32: sum}, "more": {Shape: []int64{rows, 3}, Bool: more}, "total": {F32: []float32{total}},
		"shape": {Shape: []int64{2}, I64: []int64{rows, 3}}, "dd": {F64: []float64{2.5}}, "ii": {Shape: []int64{2}, I32: []int32{6, -8}},
	}
}

func TestRunHandlesEveryTypeScalarsAndEmptyDims(t *testing.T) {
	orttest.Require(t)
	path := filepath.Join(t.TempDir(), "arith.onnx")
	if err := os.WriteFile(path, arith().bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile, err := ort.Open(path, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer fromFile.Close()
	fromBytes, err := ort.OpenBytes(arith().bytes(), ort.Options{GraphOptLevel: "none", Prepacking: true, IntraOpThreads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer fromBytes.Close()
	for _, s := range []*ort.Session{fromFile, fromBytes} {
		for _, rows := range []int64{2, 0, 1} {
			got, err := s.Run(arithInputs(rows))
			if err != nil {
				t.Fatal(err)
			}
			want := arithWant(rows)
			for name, g := range got {
				if len(g.Shape) == 0 {
					g.Shape = nil
					got[name] = g
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %d rows (-want +got):\n%s", s.Name(), rows, diff)
			}
		}
	}
	if v := fromFile.Metadata()["zoo.version"]; v != "test" {
		t.Errorf("metadata zoo.version = %q", v)
	}
}

func TestRunRefusesWrongInputsByName(t *testing.T) {
	orttest.Require(t)
	s, err := ort.OpenBytes(arith().bytes(), ort.Options{Name: "arith.onnx"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		name, input string
		tensor      ort.Tensor
		want        string
	}{
		{"wrong size", "a", ort.Tensor{Shape: []int64{2, 4}, F32: make([]float32, 8)}, `arith.onnx: input "a" has shape [2 4], the model expects [batch_size, 3]`},
		{"wrong rank", "a", ort.Tensor{Shape: []int64{6}, F32: make([]float32, 6)}, `has shape [6], the model expects [batch_size, 3]`},
		{"wrong type", "a", ort.Tensor{Shape: []int64{2, 3}, F64: make([]float64, 6)}, `input "a" is float64, the model expects float32`},
		{"short data", "a", ort.Tensor{Shape: []int64{2, 3}, F32: make([]float32, 5)}, `shape [2 3] has 6 elements, but the data has 5`},
		{"negative", "a", ort.Tensor{Shape: []int64{-2, 3}, F32: []float32{}}, `negative dimension`},
		{"no data", "a", ort.Tensor{Shape: []int64{0, 3}}, `0 data slices are set`},
		{"unknown", "c", ort.Tensor{F32: []float32{1}}, `has no input "c"; its inputs are a, b, d, i`},
		{"rows differ", "b", ort.Tensor{Shape: []int64{5, 3}, F32: make([]float32, 15)}, `arith.onnx: ONNX Runtime: `},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := arithInputs(2)
			in[c.input] = c.tensor
			_, err := s.Run(in)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want it to contain %q", err, c.want)
			}
		})
	}
	in := arithInputs(2)
	delete(in, "d")
	if _, err := s.Run(in); err == nil || !strings.Contains(err.Error(), `input "d" (float64 []) is missing`) {
		t.Errorf("missing input: %v", err)
	}
}

func TestOpenNamesTheFileInErrors(t *testing.T) {
	orttest.Require(t)
	dir := t.TempDir()
	badOp := graph{nodes: []message{node("NoSuchOperator", []string{"a"}, []string{"b"})}, inputs: []message{value("a", 1, 1)}, outputs: []message{value("b", 1, 1)}}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty.onnx", nil, "holds no graph"},
		{"text.onnx", []byte("not a model"), "not a valid ONNX model"},
		{"cut.onnx", arith().bytes()[:100], "not a valid ONNX model: protobuf field at offset"},
		{"badop.onnx", badOp.bytes(), "NoSuchOperator"},
		{"noio.onnx", graph{}.bytes(), "has 0 inputs and 0 outputs"},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ort.Open(path, ort.Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error is %v, want it to name the file and contain %q", c.name, err, c.want)
		}
	}
	if _, err := ort.Open(filepath.Join(dir, "none.onnx"), ort.Options{}); !os.IsNotExist(err) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := ort.OpenBytes(arith().bytes(), ort.Options{GraphOptLevel: "max"}); err == nil || !strings.Contains(err.Error(), "expected one of all, extended, basic, none") {
		t.Errorf("bad level: %v", err)
	}
}

func TestSessionsRunConcurrentlyAndRefuseAfterClose(t *testing.T) {
	orttest.Require(t)
	s, err := ort.OpenBytes(arith().bytes(), ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range int64(4) {
		wg.Go(func() {
			for range 20 {
				out, err := s.Run(arithInputs(g + 1))
				if err != nil || out["total"].F32[0] != arithWant(g + 1)["total"].F32[0] {
					t.Errorf("rows %d: %v %v", g+1, out["total"], err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := s.Run(arithInputs(1)); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("run after close: %v", err)
	}
}

func TestProfileIsWritten(t *testing.T) {
	orttest.Require(t)
	prefix := filepath.Join(t.TempDir(), "trace")
	s, err := ort.OpenBytes(arith().bytes(), ort.Options{ProfilePath: prefix})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(arithInputs(1)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if files, _ := filepath.Glob(prefix + "*"); len(files) != 1 {
		t.Errorf("profile files: %v, want one", files)
	}
}

func TestLoadReportsTheVersionOfTheLibrary(t *testing.T) {
	found, err := ort.Find()
	if err != nil {
		orttest.Require(t)
	}
	loaded := orttest.Require(t)
	if found.Version != "" && found.Version != loaded.Version {
		t.Errorf("Find read version %s out of the file, the library says %s", found.Version, loaded.Version)
	}
}

func TestExternalDataIsFoundBesideTheFileOrInDataDir(t *testing.T) {
	orttest.Require(t)
	dir := t.TempDir()
	g := graph{
		nodes: []message{node("Add", []string{"a", "w"}, []string{"sum"})}, initial: []message{external("w", "m.onnx_data", "4", 2)},
		inputs: []message{value("a", 1, 2)}, outputs: []message{value("sum", 1, 2)},
	}
	path := filepath.Join(dir, "m.onnx")
	var data []byte
	for _, v := range []float32{9, 1, 2} { // the weights begin at byte 4
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	for name, b := range map[string][]byte{path: g.bytes(), path + "_data": data} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, open := range map[string]func() (*ort.Session, error){
		"file":  func() (*ort.Session, error) { return ort.Open(path, ort.Options{}) },
		"bytes": func() (*ort.Session, error) { return ort.OpenBytes(g.bytes(), ort.Options{DataDir: dir}) },
	} {
		s, err := open()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer s.Close()
		out, err := s.Run(map[string]ort.Tensor{"a": {Shape: []int64{2}, F32: []float32{10, 20}}})
		if err != nil || !slices.Equal(out["sum"].F32, []float32{11, 22}) {
			t.Errorf("%s: %v %v", name, out, err)
		}
	}
	os.Remove(path + "_data")
	if _, err := ort.Open(path, ort.Options{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("missing data file: %v", err)
	}
}

func TestOutputsThatTensorCannotHoldAreErrors(t *testing.T) {
	orttest.Require(t)
	const float16, uint8 = 10, 2
	noShape := message{}.str(1, "y").sub(2, message{}.sub(1, message{}.num(1, float16)))
	for _, c := range []struct {
		name   string
		to     int64
		output message
		rows   int64
		want   string
	}{
		{"half precision", float16, value("y", float16, "n"), 2, `output "y" is float16, which is not supported`},
		{"half precision, empty", float16, value("y", float16, "n"), 0, "float16"},
		{"bytes", uint8, value("y", uint8, "n"), 2, `output "y" is uint8`},
		{"no shape", float16, noShape, 2, "float16"},
		{"no type", float16, message{}.str(1, "y"), 2, "not a tensor, or its type is not declared"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := graph{nodes: []message{node("Cast", []string{"x"}, []string{"y"}, intAttr("to", c.to))}, inputs: []message{value("x", 1, "n")}, outputs: []message{c.output}}
			s, err := ort.OpenBytes(g.bytes(), ort.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			_, err = s.Run(map[string]ort.Tensor{"x": {Shape: []int64{c.rows}, F32: make([]float32, c.rows)}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want it to contain %q", err, c.want)
			}
		})
	}
}
