package onnxgo

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend/testbackend"
	_ "github.com/owulveryck/onnx-go/backend/testbackend/onnx" // registers the cases
	"gorgonia.org/tensor"

	"github.com/moezoo/moezoo/graph"
)

// mistyped are cases of operators that we have whose data the kit holds in another type than
// the operator's: integer inputs or results as float32 (Size, Slice, TopK), or two types
// (Mod).
var mistyped = []string{"TestSize", "TestSizeExample", "TestSliceEndOutOfBounds", "TestSliceNeg", "TestTopK", "TestModBroadcast"}

// TestKit runs onnx-go's own cases. None may fail, and those of operators that are not in
// our table are on a committed list that can only shrink; so is Scan, whose body onnx-go
// does not read.
func TestKit(t *testing.T) {
	raw, err := os.ReadFile("testdata/skipped.txt")
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.Fields(string(raw))
	var skipped []string
	pass, wrong := 0, 0
	for _, make := range testbackend.GetAllRegisteredTests() {
		c := make()
		err := runCase(c)
		var no *onnx.ErrNotImplemented
		switch known := slices.Contains(listed, c.Title); {
		case err == nil && known:
			t.Errorf("%s passes: take it off the list", c.Title)
		case err == nil:
			pass++
		case slices.Contains(mistyped, c.Title):
			wrong++
		case errors.As(err, &no):
			skipped = append(skipped, c.Title)
			if !known {
				t.Errorf("%s is skipped, but not listed: %v", c.Title, err)
			}
			if _, err := graph.Lookup("", c.OpType); err == nil && c.OpType != "Scan" {
				t.Errorf("%s is skipped, although %s is in the table: %v", c.Title, c.OpType, no)
			}
		default:
			t.Errorf("%s (%s): %v", c.Title, c.OpType, err)
		}
	}
	t.Logf("%d cases pass, %d are skipped, %d hold data of the wrong type", pass, len(skipped), wrong)
	if out := os.Getenv("MOEZOO_KIT_SKIPPED"); out != "" {
		sort.Strings(skipped)
		if err := os.WriteFile(out, []byte(strings.Join(skipped, "\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func runCase(c *testbackend.TestCase) (err error) {
	defer func() {
		if r := recover(); r != nil { // the decoder panics on some of its own cases
			err = &onnx.ErrNotImplemented{Operator: c.OpType, Message: fmt.Sprint(r)}
		}
	}()
	b := New(1)
	defer b.Close()
	m := onnx.NewModel(b)
	if err := m.UnmarshalBinary(c.ModelB); err != nil {
		return err
	}
	for i, in := range c.Input {
		if err := m.SetInput(i, in); err != nil {
			return err
		}
	}
	if err := b.Run(); err != nil {
		return err
	}
	out, err := m.GetOutputTensors()
	if err != nil {
		return err
	}
	if len(out) != len(c.ExpectedOutput) {
		return fmt.Errorf("%d outputs, want %d", len(out), len(c.ExpectedOutput))
	}
	for i, want := range c.ExpectedOutput {
		if err := compare(out[i], want); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

// compare accepts 1e-5 + 1e-4·|want| on floats: the cases hold float32 results of numpy.
func compare(got, want tensor.Tensor) error {
	if !slices.Equal(got.Shape(), want.Shape()) && got.Shape().TotalSize() != want.Shape().TotalSize() {
		return fmt.Errorf("has the shape %v, want %v", got.Shape(), want.Shape())
	}
	g, err := fromTensor(got)
	if err != nil {
		return err
	}
	w, err := fromTensor(want)
	if err != nil {
		return &onnx.ErrNotImplemented{Message: err.Error()}
	}
	if !w.DType.IsFloat() {
		if string(g.Data) != string(w.Data) {
			return errors.New("differs")
		}
		return nil
	}
	a, err := g.ToGraph().Float32s()
	if err != nil {
		return err
	}
	b, err := w.ToGraph().Float32s()
	if err != nil {
		return err
	}
	for i := range b {
		if d := math.Abs(float64(a[i] - b[i])); !(d <= 1e-5+1e-4*math.Abs(float64(b[i]))) && a[i] != b[i] && !(a[i] != a[i] && b[i] != b[i]) {
			return fmt.Errorf("element %d is %v, want %v", i, a[i], b[i])
		}
	}
	return nil
}
