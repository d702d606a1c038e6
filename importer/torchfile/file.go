package torchfile

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/moezoo/moezoo/safetensors"
)

// File is an open file of tensors. Close it when done.
type File struct {
	name    string
	r       io.ReaderAt
	closer  io.Closer
	tensors map[string]*tensor
}

// Open reads the directory and the pickle of a file; tensors are read when asked for.
func Open(path string) (*File, error) {
	info, err := os.Stat(path) // before it is opened, which waits in the case of a pipe
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	file, err := NewFile(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	file.closer = f
	return file, nil
}

// NewFile reads a file from memory or elsewhere; name is for messages.
func NewFile(name string, r io.ReaderAt, size int64) (*File, error) {
	tensors, err := readTensors(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &File{name: name, r: r, tensors: tensors}, nil
}

// OpenSharded opens the files that an index such as pytorch_model.bin.index.json names.
func OpenSharded(index string) (*safetensors.Sharded, error) {
	return safetensors.OpenShards(index, func(path string) (safetensors.Shard, error) { return Open(path) })
}

// Close closes the file.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Names lists the tensors in order of their names. Tied ones are listed under each.
func (f *File) Names() []string {
	return slices.Sorted(maps.Keys(f.tensors))
}

// Info describes a tensor; ok is false when there is none of that name.
func (f *File) Info(name string) (info safetensors.Info, ok bool) {
	t, ok := f.tensors[name]
	if !ok {
		return safetensors.Info{}, false
	}
	return safetensors.Info{Name: name, DType: t.storage.dtype, Shape: slices.Clone(t.shape)}, true
}

// Float32 reads a floating-point tensor in the order of its indices, however it lies in
// its storage, widening half precision and narrowing double. The checksum of a storage is
// compared when it is first read.
func (f *File) Float32(name string) ([]float32, error) {
	t, ok := f.tensors[name]
	if !ok {
		return nil, fmt.Errorf("%s: there is no tensor %q", f.name, name)
	}
	err := t.storage.dtype.Floats(nil, nil)
	if err == nil {
		err = t.storage.verify()
	}
	var out []float32
	if err == nil {
		out, err = t.read(f.r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: tensor %q: %w", f.name, name, err)
	}
	return out, nil
}

func readTensors(r io.ReaderAt, size int64) (map[string]*tensor, error) {
	if err := checkKind(r, size); err != nil {
		return nil, err
	}
	records, err := readArchive(r, size)
	if err != nil {
		return nil, err
	}
	parts, err := sortRecords(records)
	if err != nil {
		return nil, err
	}
	if err := parts.check(r); err != nil {
		return nil, err
	}
	text, err := parts.pickle.text(r, maxPickle)
	if err != nil {
		return nil, err
	}
	loaded := map[string]*storage{}
	value, err := unpickle(text, budget(size), func(id tuple) (any, error) { return parts.load(r, loaded, id) })
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", err)
	}
	return stateDict(value)
}

// stateDict makes sure that a value is a dict of tensors.
func stateDict(value any) (map[string]*tensor, error) {
	d, ok := value.(*dict)
	if !ok {
		return nil, fmt.Errorf("holds %s, want a dict of tensors", kind(value))
	}
	if len(d.items) > safetensors.MaxTensors {
		return nil, fmt.Errorf("%d tensors are over the limit of %d", len(d.items), safetensors.MaxTensors)
	}
	tensors := make(map[string]*tensor, len(d.items))
	for _, name := range slices.Sorted(maps.Keys(d.items)) {
		t, ok := d.items[name].(*tensor)
		if !ok {
			return nil, fmt.Errorf("%.80q is %s, want tensors alone: save the state_dict of a training checkpoint by itself", name, kind(d.items[name]))
		}
		tensors[name] = t
	}
	return tensors, nil
}

// checkKind tells other files from archives.
func checkKind(r io.ReaderAt, size int64) error {
	head := make([]byte, min(size, 262))
	if _, err := r.ReadAt(head, 0); err != nil && len(head) > 0 {
		return err
	}
	switch {
	case strings.HasPrefix(string(head), "PK"):
		return nil
	case len(head) == 262 && strings.HasPrefix(string(head[257:]), "ustar"):
		return errors.New("a tar file as PyTorch wrote before 1.0 is unsupported: torch.save(torch.load(old), new) renews it")
	case strings.HasPrefix(string(head), "\x80"):
		return errors.New("a bare pickle as PyTorch wrote before 1.6 is unsupported: torch.save(torch.load(old), new) renews it")
	}
	return errors.New("is no file of torch.save: it does not begin as a zip archive")
}

// parts is what an archive of torch.save consists of.
type parts struct {
	pickle             record
	byteorder, version *record
	data               map[string]record // by key
}

// sortRecords finds the parts in the one folder of an archive.
func sortRecords(records []record) (*parts, error) {
	p := &parts{data: map[string]record{}}
	root := ""
	for i, rec := range records {
		folder, name, ok := strings.Cut(rec.name, "/")
		if !ok {
			return nil, fmt.Errorf("record %q lies in no folder", rec.name)
		}
		if i == 0 {
			root = folder
		}
		if folder != root {
			return nil, fmt.Errorf("the archive has two folders, %q and %q", root, folder)
		}
		key, isData := strings.CutPrefix(name, "data/")
		switch {
		case isData:
			p.data[key] = rec
		case name == "data.pkl":
			p.pickle = rec
		case name == "byteorder":
			p.byteorder = &rec
		case name == "version":
			p.version = &rec
		}
	}
	if p.pickle.name == "" {
		return nil, errors.New("the archive has no data.pkl")
	}
	return p, nil
}

// check reads the byte order, little unless it says otherwise, and the version.
func (p *parts) check(r io.ReaderAt) error {
	const newest = 10 // kMaxSupportedFileFormatVersion of PyTorch's caffe2/serialize/versions.h
	if p.byteorder != nil {
		order, err := p.byteorder.text(r, 16)
		if err != nil {
			return err
		}
		if order != "little" {
			return fmt.Errorf("the byte order %q is unsupported, want little", order)
		}
	}
	if p.version != nil {
		text, err := p.version.text(r, 16)
		if err != nil {
			return err
		}
		v, err := strconv.ParseUint(strings.TrimSuffix(text, "\n"), 10, 32)
		if err != nil || v > newest {
			return fmt.Errorf("the format version %q is unsupported, want up to %d", text, newest)
		}
	}
	return nil
}

// load is the storage of a persistent id: ("storage", kind, key, device, elements). A
// storage of several tensors is one value.
func (p *parts) load(r io.ReaderAt, loaded map[string]*storage, id tuple) (any, error) {
	if len(id.items) != 5 {
		return nil, fmt.Errorf("the name of a storage is %s, want one of 5", kind(id))
	}
	word, _ := id.items[0].(string)
	g, _ := id.items[1].(global)
	key, isString := id.items[2].(string)
	_, isDevice := id.items[3].(string)
	numel, isInt := id.items[4].(int64)
	dtype, isStorage := storages[g]
	if word != "storage" || !isStorage || !isString || !isDevice || !isInt {
		return nil, fmt.Errorf("a storage is named by %s, %s, %s, %s, %s: want \"storage\", its kind, key, device and size",
			kind(id.items[0]), kind(id.items[1]), kind(id.items[2]), kind(id.items[3]), kind(id.items[4]))
	}
	if s := loaded[key]; s != nil {
		if s.dtype != dtype || s.numel != numel {
			return nil, fmt.Errorf("storage %.40q is %d elements of %s and %d of %s", key, s.numel, s.dtype, numel, dtype)
		}
		return s, nil
	}
	rec, ok := p.data[key]
	if !ok {
		return nil, fmt.Errorf("the archive has no storage %.40q", key)
	}
	if numel < 0 || numel > rec.size || numel*dtype.Size() != rec.size {
		return nil, fmt.Errorf("storage %.40q of %d elements of %s does not fit its record of %d bytes", key, numel, dtype, rec.size)
	}
	s := &storage{record: rec, dtype: dtype, numel: numel}
	s.verify = sync.OnceValue(func() error { return rec.verify(r) })
	loaded[key] = s
	return s, nil
}
