//go:build cgo

package ort

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	binding "github.com/yalue/onnxruntime_go"
)

// Session is a model loaded into ONNX Runtime on the CPU. Its methods may be called from several goroutines at once. Close frees it.
type Session struct {
	name    string
	inputs  []IOInfo
	outputs []IOInfo
	meta    map[string]string

	mu sync.RWMutex // held for reading while the session runs, for writing while it closes
	s  *binding.DynamicAdvancedSession
}

// Open loads an .onnx file; external data is looked for beside it. Errors name the file.
func Open(path string, opts Options) (*Session, error) {
	return open(path, opts, func() ([]IOInfo, []IOInfo, error) { return ReadModelIO(path) },
		func(in, out []string, so *binding.SessionOptions) (*binding.DynamicAdvancedSession, error) {
			return binding.NewDynamicAdvancedSession(path, in, out, so)
		})
}

// OpenBytes loads a model from memory.
func OpenBytes(model []byte, opts Options) (*Session, error) {
	name := cmp.Or(opts.Name, "model in memory")
	return open(name, opts, func() ([]IOInfo, []IOInfo, error) {
		in, out, err := readModelIOBytes(model)
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return in, out, err
	}, func(in, out []string, so *binding.SessionOptions) (*binding.DynamicAdvancedSession, error) {
		return binding.NewDynamicAdvancedSessionWithONNXData(model, in, out, so)
	})
}

func open(name string, opts Options, readIO func() ([]IOInfo, []IOInfo, error),
	create func(in, out []string, so *binding.SessionOptions) (*binding.DynamicAdvancedSession, error),
) (*Session, error) {
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	inputs, outputs, err := readIO()
	if err != nil {
		return nil, err
	}
	if len(inputs) == 0 || len(outputs) == 0 {
		return nil, fmt.Errorf("%s: has %d inputs and %d outputs; at least one of each is needed to run it", name, len(inputs), len(outputs))
	}
	if err := start(); err != nil {
		return nil, err
	}
	so, err := sessionOptions(opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer so.Destroy()
	s, err := create(ioNames(inputs), ioNames(outputs), so)
	if err != nil {
		return nil, fmt.Errorf("%s: ONNX Runtime does not load it: %w", name, err)
	}
	sess := &Session{name: name, inputs: inputs, outputs: outputs, s: s}
	if sess.meta, err = readMetadata(s); err != nil {
		s.Destroy()
		return nil, fmt.Errorf("%s: metadata: %w", name, err)
	}
	return sess, nil
}

func ioNames(infos []IOInfo) []string {
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = info.Name
	}
	return names
}

func sessionOptions(o Options) (*binding.SessionOptions, error) {
	so, err := binding.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	level := map[string]binding.GraphOptimizationLevel{
		"none": binding.GraphOptimizationLevelDisableAll, "basic": binding.GraphOptimizationLevelEnableBasic,
		"extended": binding.GraphOptimizationLevelEnableExtended, "all": binding.GraphOptimizationLevelEnableAll,
	}[cmp.Or(o.GraphOptLevel, "all")]
	errs := []error{
		so.SetIntraOpNumThreads(max(o.IntraOpThreads, 1)), so.SetInterOpNumThreads(1), so.SetGraphOptimizationLevel(level),
		so.SetMemPattern(false),
	} // it keeps a memory plan for each combination of input shapes ever seen; decoding has a new one each step
	if !o.Prepacking {
		errs = append(errs, so.AddSessionConfigEntry("session.disable_prepacking", "1"))
	}
	if o.DataDir != "" {
		errs = append(errs, so.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", o.DataDir))
	}
	if o.ProfilePath != "" {
		errs = append(errs, so.EnableProfiling(o.ProfilePath))
	}
	if err := errors.Join(errs...); err != nil {
		so.Destroy()
		return nil, err
	}
	return so, nil
}

func readMetadata(s *binding.DynamicAdvancedSession) (map[string]string, error) {
	m, err := s.GetModelMetadata()
	if err != nil {
		return nil, err
	}
	defer m.Destroy()
	keys, err := m.GetCustomMetadataMapKeys()
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(keys))
	for _, k := range keys {
		v, _, err := m.LookupCustomMetadataMap(k)
		if err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, nil
}

// Name is the model's path, or what Options.Name said.
func (s *Session) Name() string { return s.name }

// Inputs lists what must be fed, in the file's order. The caller must not change it.
func (s *Session) Inputs() []IOInfo { return s.inputs }

// Outputs lists what a run gives, in the file's order. The caller must not change it.
func (s *Session) Outputs() []IOInfo { return s.outputs }

// Metadata is the file's metadata_props. The caller must not change it.
func (s *Session) Metadata() map[string]string { return s.meta }

// Run feeds all inputs by name and returns all outputs. The result is in memory of its own.
func (s *Session) Run(inputs map[string]Tensor) (map[string]Tensor, error) {
	if err := checkInputs(s.inputs, inputs); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if err := checkOutputs(s.outputs); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	ins := make([]binding.Value, len(s.inputs))
	outs := make([]binding.Value, len(s.outputs))
	defer destroyAll(ins)
	defer destroyAll(outs)
	for i, info := range s.inputs {
		v, err := newValue(inputs[info.Name])
		if err != nil {
			return nil, fmt.Errorf("%s: input %q: %w", s.name, info.Name, err)
		}
		ins[i] = v
	}
	if err := s.makeScalarOutputs(outs); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if err := s.run(ins, outs); err != nil {
		return nil, err
	}
	result := make(map[string]Tensor, len(outs))
	for i, info := range s.outputs {
		t, err := readValue(outs[i])
		if err != nil {
			return nil, fmt.Errorf("%s: output %q: %w", s.name, info.Name, err)
		}
		result[info.Name] = t
	}
	return result, nil
}

// makeScalarOutputs makes the values of outputs that are scalars by declaration; the binding cannot allocate those itself.
func (s *Session) makeScalarOutputs(outs []binding.Value) error {
	for i, info := range s.outputs {
		if !info.HasShape || len(info.Dims) != 0 {
			continue
		}
		t, err := makeTensor(info.DType, nil)
		if err == nil {
			outs[i], err = newValue(t)
		}
		if err != nil {
			return fmt.Errorf("output %q: %w", info.Name, err)
		}
	}
	return nil
}

// run calls the runtime with values in the order of inputs and outputs; nil outputs are filled in.
func (s *Session) run(ins, outs []binding.Value) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.s == nil {
		return fmt.Errorf("%s: the session is closed", s.name)
	}
	if err := s.s.Run(ins, outs); err != nil {
		return fmt.Errorf("%s: ONNX Runtime: %w", s.name, err)
	}
	return nil
}

// Close frees the model; it waits for runs in progress. A second Close does nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s == nil {
		return nil
	}
	err := s.s.Destroy()
	s.s = nil
	return err
}
