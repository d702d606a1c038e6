package op_test

import (
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
	_ "github.com/moezoo/moezoo/graph/op"
)

// evaluated operators are run by the evaluator, not by a kernel.
var evaluated = map[string]bool{"Scan": true, "Loop": true, "If": true}

// TestTheTableIsComplete walks the operator table: every operator is documented, infers,
// has a gradient or says why not, and, if it is the project's own, a lowering or says why
// not, and a kernel on the processor.
func TestTheTableIsComplete(t *testing.T) {
	for _, o := range graph.Ops() {
		name := strings.TrimPrefix(o.Domain+"."+o.Name, ".")
		if o.Doc == "" || o.Since < 1 || o.Infer == nil {
			t.Errorf("%s: documentation, version or inference is missing", name)
		}
		if (o.Grad == nil) == (o.NoGrad == "") {
			t.Errorf("%s: either a gradient or a reason for none", name)
		}
		if o.Domain == graph.Domain && (o.Lower == nil) == (o.NoLower == "") {
			t.Errorf("%s: either a lowering or a reason for none", name)
		}
		if o.Domain == "" && (o.Lower != nil || o.NoLower != "") {
			t.Errorf("%s: standard operators are not lowered", name)
		}
		if len(o.Outputs) == 0 {
			t.Errorf("%s has no output", name)
		}
		for _, a := range append(append([]graph.Arg(nil), o.Inputs...), o.Outputs...) {
			if a.Name == "" || a.Doc == "" {
				t.Errorf("%s: argument %q is not documented", name, a.Name)
			}
		}
		for _, a := range o.Attrs {
			if a.Name == "" || a.Doc == "" || a.Kind == "" {
				t.Errorf("%s: attribute %q is not documented", name, a.Name)
			}
		}
		for i, in := range o.InPlace {
			if i >= len(o.Outputs) || in >= len(o.Inputs) && !o.Inputs[len(o.Inputs)-1].Variadic {
				t.Errorf("%s: output %d overwrites input %d, which it does not have", name, i, in)
			}
		}
		if _, ok := cpu.Lookup(o.Domain, o.Name); !ok && !evaluated[o.Name] {
			t.Errorf("%s has no kernel on the processor", name)
		}
	}
}
