package eval_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx"
	"github.com/moezoo/moezoo/graph/onnx/file"
	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// TestONNXNode runs the operator cases of onnx/onnx, folders with model.onnx and
// test_data_set_0, below $MOEZOO_ONNX_TESTS, or the committed few. A case passes, is
// unsupported (another operator, version or element type), or fails; none may fail. The
// operators of our table that a case names may be unsupported only when
// testdata/unsupported.txt lists the case, and a listed case that passes is a failure.
func TestONNXNode(t *testing.T) {
	root, whole := os.Getenv("MOEZOO_ONNX_TESTS"), true
	if root == "" {
		root, whole = "testdata/nodes", false
	}
	var cases []string
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Name() == "model.onnx" {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "test_data_set_0")); err == nil {
				cases = append(cases, filepath.Dir(path))
			}
		}
		return err
	})
	if err != nil || len(cases) == 0 {
		t.Fatalf("%s: %d cases, %v", root, len(cases), err)
	}
	raw, err := os.ReadFile("testdata/unsupported.txt")
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.Fields(string(raw))
	d := cpu.New(2)
	defer d.Close()
	var pass, unsupported int
	var unlisted []string
	for _, dir := range cases {
		name := filepath.Base(dir)
		err := runCase(d, dir)
		known := slices.Contains(listed, name)
		var no *notSupported
		switch {
		case err == nil && known:
			t.Errorf("%s passes: take it off the list", name)
		case err == nil:
			pass++
		case errors.As(err, &no):
			unsupported++
			if !known && no.ours {
				unlisted = append(unlisted, name)
				t.Logf("%s: %v", name, err)
			}
		case known:
			unsupported++
		default:
			t.Errorf("%s: %v", name, err)
		}
	}
	sort.Strings(unlisted)
	if len(unlisted) > 0 {
		t.Errorf("%d cases of our operators are unsupported, but not listed: %s", len(unlisted), strings.Join(unlisted, " "))
	}
	t.Logf("%d cases: %d pass, %d unsupported (whole set: %v)", len(cases), pass, unsupported, whole)
	if out := os.Getenv("MOEZOO_ONNX_UNSUPPORTED"); out != "" {
		if err := os.WriteFile(out, []byte(strings.Join(unlisted, "\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// notSupported is a case that needs what we do not have; ours says that the operator
// itself is in our table.
type notSupported struct {
	why  string
	ours bool
}

func (n *notSupported) Error() string { return n.why }

func runCase(d *cpu.Device, dir string) error {
	m, ext, err := file.Read(filepath.Join(dir, "model.onnx"))
	if err != nil {
		return err
	}
	ours := true
	for _, n := range m.Graph.Node {
		if _, err := graph.Lookup(n.Domain, n.OpType); err != nil {
			ours = false
		}
	}
	f, err := onnx.FromProto(m, ext)
	var u *onnx.Unsupported
	if errors.As(err, &u) {
		return &notSupported{err.Error(), ours}
	}
	if err != nil {
		return unlessTyped(err, ours)
	}
	inputs := map[string]*backend.Tensor{}
	for i, v := range f.Graph.Inputs {
		t, err := readTensor(filepath.Join(dir, "test_data_set_0", fmt.Sprintf("input_%d.pb", i)))
		if err != nil {
			return &notSupported{err.Error(), false}
		}
		inputs[v.Name] = t
	}
	got, err := eval.New(f.Graph, d, eval.Limits{}).Run(context.Background(), inputs)
	if err != nil {
		return unlessTyped(err, ours)
	}
	for i, g := range got {
		want, err := readTensor(filepath.Join(dir, "test_data_set_0", fmt.Sprintf("output_%d.pb", i)))
		if err != nil {
			return &notSupported{err.Error(), false}
		}
		if err := compare(g, want); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

// unlessTyped counts an element type that a kernel does not take as unsupported.
func unlessTyped(err error, ours bool) error {
	for _, s := range []string{"does not take", "does not order", "does not cast", "does not read", "does not scatter", "is not supported", "has no attribute", "want floats", "no kernel", "want float32", "can be cast", "where floats are expected"} {
		if strings.Contains(err.Error(), s) {
			return &notSupported{err.Error(), ours}
		}
	}
	return err
}

func readTensor(path string) (*backend.Tensor, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := &pb.TensorProto{}
	if err := proto.Unmarshal(raw, p); err != nil {
		return nil, err
	}
	dtype, dims, data, err := file.TensorData(p, nil)
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(dims))
	for i, n := range dims {
		shape[i] = int(n)
	}
	t := backend.NewTensor(graph.DType(dtype), shape...)
	copy(t.Data, data)
	return t, nil
}

// compare accepts 1e-5 + 1e-3·|want| on floats, the tolerance of the reference's own
// runner, and nothing on others.
func compare(got, want *backend.Tensor) error {
	if got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) {
		return fmt.Errorf("is %v%v, want %v%v", got.DType, got.Shape, want.DType, want.Shape)
	}
	for i := range want.Elements() {
		g, w := number(got, i), number(want, i)
		if g == w || math.IsNaN(g) && math.IsNaN(w) {
			continue
		}
		if !want.DType.IsFloat() || !(math.Abs(g-w) <= 1e-5+1e-3*math.Abs(w)) {
			return fmt.Errorf("element %d is %v, want %v", i, g, w)
		}
	}
	return nil
}

func number(t *backend.Tensor, i int) float64 {
	switch t.DType {
	case graph.Float32:
		return float64(t.F32()[i])
	case graph.Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:]))
	case graph.Float16, graph.BFloat16:
		return float64(binary.LittleEndian.Uint16(t.Data[2*i:]))
	}
	v, _ := t.ToGraph().Int64s()
	return float64(v[i])
}
