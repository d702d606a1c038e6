package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"unicode/utf8"
)

// maxIndex bounds the index of a sharded checkpoint.
const maxIndex = 64 << 20

// Sharded is a checkpoint spread over several files by an index, such as
// model.safetensors.index.json.
type Sharded struct {
	shards map[string]Shard // by file name
	where  map[string]Shard // by tensor
}

// Shard is one of the files of a checkpoint, of this format or another.
type Shard interface {
	Names() []string
	Info(name string) (info Info, ok bool)
	Float32(name string) ([]float32, error)
	Close() error
}

// OpenSharded opens all safetensors files that an index names; see [OpenShards].
func OpenSharded(index string) (*Sharded, error) {
	return OpenShards(index, func(path string) (Shard, error) { return Open(path) })
}

// OpenShards opens all files that an index names. They must lie beside it, exist, and hold
// exactly the tensors that the index says, each in one place.
func OpenShards(index string, open func(path string) (Shard, error)) (*Sharded, error) {
	info, err := os.Stat(index)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxIndex {
		return nil, &Error{index, fmt.Errorf("%d bytes are over the limit of %d", info.Size(), maxIndex)}
	}
	raw, err := os.ReadFile(index)
	if err != nil {
		return nil, err
	}
	weights, err := parseIndex(raw)
	if err != nil {
		return nil, &Error{index, err}
	}
	s := &Sharded{shards: map[string]Shard{}, where: map[string]Shard{}}
	for _, tensor := range sorted(weights) {
		shard := weights[tensor]
		f := s.shards[shard]
		if f == nil {
			if f, err = open(filepath.Join(filepath.Dir(index), shard)); err != nil {
				s.Close()
				return nil, err
			}
			s.shards[shard] = f
		}
		if _, ok := f.Info(tensor); !ok {
			s.Close()
			return nil, &Error{index, fmt.Errorf("tensor %q is not in %s", tensor, shard)}
		}
		s.where[tensor] = f
	}
	for name, f := range s.shards {
		for _, tensor := range f.Names() {
			if weights[tensor] != name {
				s.Close()
				return nil, &Error{index, fmt.Errorf("tensor %q of %s is not listed there", tensor, name)}
			}
		}
	}
	return s, nil
}

func sorted(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// parseIndex reads {"weight_map": {TENSOR: FILE, …}}. A tensor that occurs twice and a file
// outside of the folder are errors.
func parseIndex(raw []byte) (map[string]string, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("is not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := open(d, '{'); err != nil {
		return nil, err
	}
	var weights map[string]string
	seen := map[string]bool{}
	for d.More() {
		k, err := key(d, seen)
		if err != nil {
			return nil, err
		}
		if k != "weight_map" {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return nil, err
			}
			continue
		}
		if weights, err = parseMetadata(d); err != nil {
			return nil, fmt.Errorf("weight_map: %w", err)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if rest := bytes.TrimLeft(raw[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, errors.New("goes on after its closing }")
	}
	if len(weights) == 0 {
		return nil, errors.New("weight_map is missing or empty")
	}
	for tensor, shard := range weights {
		if shard == "" || shard != filepath.Base(shard) || strings.HasPrefix(shard, ".") || strings.ContainsAny(shard, "/\\:\x00") {
			return nil, fmt.Errorf("tensor %q: the file %q is not beside the index", tensor, shard)
		}
	}
	return weights, nil
}

// Names lists all tensors.
func (s *Sharded) Names() []string {
	names := make([]string, 0, len(s.where))
	for n := range s.where {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Close closes all files.
func (s *Sharded) Close() error {
	var errs []error
	for _, f := range s.shards {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Info describes a tensor; ok is false when there is none of that name.
func (s *Sharded) Info(name string) (info Info, ok bool) {
	f, ok := s.where[name]
	if !ok {
		return Info{}, false
	}
	return f.Info(name)
}

// Float32 reads a floating-point tensor, widening half precision and narrowing double.
func (s *Sharded) Float32(name string) ([]float32, error) {
	f, ok := s.where[name]
	if !ok {
		return nil, fmt.Errorf("there is no tensor %q", name)
	}
	return f.Float32(name)
}
