package eval_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"text/tabwriter"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx"
	"github.com/moezoo/moezoo/graph/onnx/file"
	"github.com/moezoo/moezoo/graph/onnx/pb"
	"github.com/moezoo/moezoo/internal/testroot"
)

// TestONNXNode runs the operator cases of onnx/onnx, folders with model.onnx and
// test_data_set_0, below $MOEZOO_ONNX_TESTS, or the committed few. A case passes, is
// unsupported (another operator, version or element type), or fails; none may fail. A case
// whose operators are all in our table may be unsupported only when testdata/unsupported.txt
// lists it with the reason it really has; a listed case that passes is a failure, so the
// list can only shrink. $MOEZOO_ONNX_UNSUPPORTED names a file to write the present list to.
func TestONNXNode(t *testing.T) {
	root := testroot.FromEnv("MOEZOO_ONNX_TESTS")
	if root == "" {
		root = "testdata/nodes"
	}
	cases := findCases(t, root)
	listed := readUnsupported(t)
	d := cpu.New(2)
	defer d.Close()
	table := outcomes{}
	var now []string
	for _, dir := range cases {
		name := filepath.Base(dir)
		operator, err := runCase(d, dir)
		why, known := listed[name]
		var no *notSupported
		switch {
		case err == nil:
			table.add(operator, pass)
			if known {
				t.Errorf("%s passes: take it off the list", name)
			}
		case errors.As(err, &no):
			table.add(operator, unsupported)
			if !no.ours {
				continue
			}
			now = append(now, name+": "+no.why)
			if !known || why != no.why {
				t.Errorf("%s is unsupported: %s; listed: %q", name, no.why, why)
			}
		default:
			table.add(operator, fail)
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Log(table)
	if out := os.Getenv("MOEZOO_ONNX_UNSUPPORTED"); out != "" {
		sort.Strings(now)
		if err := os.WriteFile(out, []byte(strings.Join(now, "\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// findCases are the folders of all cases below root.
func findCases(t *testing.T, root string) []string {
	t.Helper()
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
	return cases
}

// readUnsupported is the committed list: a case and its reason a line.
func readUnsupported(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("testdata/unsupported.txt")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		name, why, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || listed[name] != "" {
			t.Fatalf("unsupported.txt: %q is no case with its reason, or a second one", line)
		}
		listed[name] = why
	}
	return listed
}

// outcome is how a case ended.
type outcome int

const (
	pass outcome = iota
	unsupported
	fail
)

// outcomes counts the cases of each operator by how they ended.
type outcomes map[string]*[3]int

func (o outcomes) add(operator string, how outcome) {
	if o[operator] == nil {
		o[operator] = &[3]int{}
	}
	o[operator][how]++
}

// String is the table: operators that we have a line each, the others in one.
func (o outcomes) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "operator\tpass\tunsupported\tfail\t\n")
	var all, others [3]int
	for _, name := range slices.Sorted(maps.Keys(o)) {
		n := o[name]
		for i := range n {
			all[i] += n[i]
		}
		if _, err := graph.Lookup("", name); err != nil {
			for i := range n {
				others[i] += n[i]
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t\n", name, n[pass], n[unsupported], n[fail])
	}
	fmt.Fprintf(w, "operators not in the table\t%d\t%d\t%d\t\n", others[pass], others[unsupported], others[fail])
	fmt.Fprintf(w, "all\t%d\t%d\t%d\t\n", all[pass], all[unsupported], all[fail])
	_ = w.Flush() // into memory
	return b.String()
}

// notSupported is a case that needs what we do not have; ours says that all of its
// operators are in our table.
type notSupported struct {
	why  string
	ours bool
}

func (n *notSupported) Error() string { return n.why }

// runCase runs a case, which it files under an operator: the one that it is about, or, of
// several, the first that is not in our table.
func runCase(d *cpu.Device, dir string) (operator string, err error) {
	m, ext, err := file.Read(filepath.Join(dir, "model.onnx"))
	if err != nil {
		return "", err
	}
	operator, ours := operatorOf(m.Graph)
	f, err := onnx.FromProto(m, ext)
	if err != nil {
		return operator, unlessTyped(err, ours)
	}
	inputs := map[string]*backend.Tensor{}
	for i, v := range f.Graph.Inputs {
		if inputs[v.Name], err = readTensor(dir, "input", i); err != nil {
			return operator, unlessTyped(err, ours)
		}
	}
	got, err := eval.New(f.Graph, d, eval.Limits{}).Run(context.Background(), inputs)
	if err != nil {
		return operator, unlessTyped(err, ours)
	}
	for i, g := range got {
		want, err := readTensor(dir, "output", i)
		if err != nil {
			return operator, unlessTyped(err, ours)
		}
		if err := compare(g, want); err != nil {
			return operator, fmt.Errorf("output %d: %w", i, err)
		}
	}
	return operator, nil
}

// operatorOf is the operator that a case is about, and whether all are in our table, those
// of bodies included.
func operatorOf(g *pb.GraphProto) (operator string, ours bool) {
	for i, n := range g.Node {
		if _, err := graph.Lookup(n.Domain, n.OpType); err != nil {
			return n.OpType, false
		}
		for _, a := range n.Attribute {
			if a.G == nil {
				continue
			}
			if other, ours := operatorOf(a.G); !ours {
				return other, false
			}
		}
		if i == 0 || n.OpType != "Constant" && operator == "Constant" {
			operator = n.OpType
		}
	}
	return operator, true
}

// unlessTyped takes a version that the reader does not know, and an element type that a
// kernel does not take, as unsupported.
func unlessTyped(err error, ours bool) error {
	var u *onnx.Unsupported
	if errors.As(err, &u) {
		return &notSupported{err.Error(), ours}
	}
	for _, s := range []string{
		"does not take", "does not order", "does not cast", "does not read", "does not scatter", "is not supported", "want floats", "no kernel",
		"want float32", "can be cast", "where floats are expected",
	} {
		if strings.Contains(err.Error(), s) {
			return &notSupported{err.Error(), ours}
		}
	}
	return err
}

func readTensor(dir, kind string, i int) (*backend.Tensor, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "test_data_set_0", fmt.Sprintf("%s_%d.pb", kind, i)))
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
	if graph.DType(dtype).Size() == 0 {
		return nil, &onnx.Unsupported{What: fmt.Sprintf("%s %d of element type %v", kind, i, dtype)}
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
	case graph.Float16:
		return halfToFloat(binary.LittleEndian.Uint16(t.Data[2*i:]))
	case graph.BFloat16:
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(t.Data[2*i:])) << 16))
	}
	v, _ := t.ToGraph().Int64s()
	return float64(v[i])
}

// halfToFloat is an IEEE half: sign, 5 bits of exponent, 10 of fraction.
func halfToFloat(h uint16) float64 {
	sign, exponent, fraction := 1-2*float64(h>>15), int(h>>10&31), float64(h&1023)
	switch {
	case exponent == 31 && fraction != 0:
		return math.NaN()
	case exponent == 31:
		return math.Inf(int(sign))
	case exponent == 0:
		return sign * math.Ldexp(fraction, -24)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
