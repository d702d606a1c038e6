package torchfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/safetensors"
)

// What a pickle may name. Storages are kinds of data; the others are called, which makes
// one of our values and runs none of PyTorch's or Python's code.
var (
	storages = map[global]safetensors.DType{
		"torch.FloatStorage": safetensors.F32, "torch.HalfStorage": safetensors.F16, "torch.BFloat16Storage": safetensors.BF16,
		"torch.DoubleStorage": safetensors.F64, "torch.LongStorage": safetensors.I64, "torch.IntStorage": safetensors.I32,
		"torch.ShortStorage": safetensors.I16, "torch.CharStorage": safetensors.I8, "torch.ByteStorage": safetensors.U8,
		"torch.BoolStorage": safetensors.Bool,
	}
	calls = map[global]func(args []any) (any, error){
		"collections.OrderedDict":                    orderedDict,
		"torch._utils._rebuild_tensor_v2":            rebuildTensor,
		"torch._utils._rebuild_parameter":            rebuildParameter,
		"torch._utils._rebuild_parameter_with_state": rebuildParameter,
	}
)

// Globals lists the names that a pickle may use, in order.
func Globals() []string {
	var names []string
	for g := range storages {
		names = append(names, string(g))
	}
	for g := range calls {
		names = append(names, string(g))
	}
	slices.Sort(names)
	return names
}

// global pushes a name of the list; any other is refused.
func (m *machine) global(i instruction) error {
	var module, name string
	if i.op == opGlobal {
		module, name, _ = strings.Cut(strings.TrimSuffix(i.arg, "\n"), "\n")
	} else {
		v, err := m.take(2)
		if err != nil {
			return err
		}
		var ok, too bool
		module, ok = v[0].(string)
		name, too = v[1].(string)
		if !ok || !too {
			return fmt.Errorf("a global is named by %s and %s, want strings", kind(v[0]), kind(v[1]))
		}
	}
	g := global(module + "." + name)
	if _, ok := storages[g]; !ok && calls[g] == nil {
		return fmt.Errorf("the pickle asks for %.100q, which is refused: only tensors and dictionaries are read, and nothing is run", string(g))
	}
	m.push(g, 16)
	return nil
}

// reduce calls a global of the list with a tuple of arguments.
func (m *machine) reduce() error {
	v, err := m.take(2)
	if err != nil {
		return err
	}
	g, ok := v[0].(global)
	call := calls[g]
	if !ok || call == nil {
		return fmt.Errorf("a call of %s is refused", kind(v[0]))
	}
	args, ok := v[1].(tuple)
	if !ok {
		return fmt.Errorf("%s is called with %s, want a tuple", g, kind(v[1]))
	}
	made, err := call(args.items)
	if err != nil {
		return fmt.Errorf("%s: %w", g, err)
	}
	m.push(made, 96)
	return nil
}

// build sets attributes. State dicts carry _metadata, the versions of their modules, which
// nobody needs here.
func (m *machine) build() error {
	v, err := m.take(1)
	if err != nil {
		return err
	}
	to, err := m.top()
	if err != nil {
		return err
	}
	if d, ok := to.(*dict); !ok || !d.ordered {
		return fmt.Errorf("attributes of %s are refused", kind(to))
	}
	if _, ok := v[0].(*dict); !ok {
		return fmt.Errorf("the attributes of a dict are %s, want a dict", kind(v[0]))
	}
	return nil
}

func orderedDict(args []any) (any, error) {
	if len(args) > 0 {
		return nil, fmt.Errorf("got %d arguments, want none", len(args))
	}
	return &dict{ordered: true}, nil
}

// rebuildParameter is the tensor of a parameter: (tensor, requires_grad, hooks[, attributes]).
func rebuildParameter(args []any) (any, error) {
	if len(args) < 3 || len(args) > 4 {
		return nil, fmt.Errorf("got %d arguments, want 3 or 4", len(args))
	}
	t, ok := args[0].(*tensor)
	if !ok {
		return nil, fmt.Errorf("the first argument is %s, want a tensor", kind(args[0]))
	}
	return t, nil
}

// rebuildTensor is a view of a storage: (storage, offset, shape, strides, requires_grad,
// hooks[, attributes]).
func rebuildTensor(args []any) (any, error) {
	if len(args) < 6 || len(args) > 7 {
		return nil, fmt.Errorf("got %d arguments, want 6 or 7", len(args))
	}
	s, isStorage := args[0].(*storage)
	offset, isInt := args[1].(int64)
	if !isStorage || !isInt {
		return nil, fmt.Errorf("a tensor is made of %s and %s, want a storage and an integer", kind(args[0]), kind(args[1]))
	}
	if len(args) == 7 {
		if d, ok := args[6].(*dict); !ok || len(d.items) > 0 {
			return nil, fmt.Errorf("attributes of a tensor, such as a lazy sign, are unsupported: got %s", kind(args[6]))
		}
	}
	shape, err := integers(args[2])
	if err != nil {
		return nil, fmt.Errorf("shape: %w", err)
	}
	stride, err := integers(args[3])
	if err != nil {
		return nil, fmt.Errorf("strides: %w", err)
	}
	return newTensor(s, offset, shape, stride)
}

func integers(v any) ([]int64, error) {
	t, ok := v.(tuple)
	if !ok {
		return nil, fmt.Errorf("is %s, want a tuple", kind(v))
	}
	out := make([]int64, len(t.items))
	for i, item := range t.items {
		if out[i], ok = item.(int64); !ok {
			return nil, fmt.Errorf("holds %s, want integers", kind(item))
		}
	}
	return out, nil
}
