package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// pattern is n bytes that differ from place to place.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)*7 + byte(i>>8) + seed
	}
	return b
}

// mixture has a small tensor, a large one, a large typed list and strings.
func mixture() *pb.ModelProto {
	list := make([]float32, 512)
	for i := range list {
		list[i] = float32(i)
	}
	words := make([][]byte, 300)
	for i := range words {
		words[i] = fmt.Appendf(nil, "word %d", i)
	}
	return initialised(
		tensor("small", pattern(8, 1), 2),
		tensor("large", pattern(6000, 2), 1500),
		&pb.TensorProto{Name: "listed", DataType: 1, Dims: []int64{512}, FloatData: list},
		tensor("edge", pattern(1024, 3), 256),
		&pb.TensorProto{Name: "words", DataType: 8, Dims: []int64{300}, StringData: words},
	)
}

// contents reads every initialiser of numbers at path.
func contents(t *testing.T, path string) (*pb.ModelProto, map[string][]byte) {
	t.Helper()
	m, ext, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, tensor := range m.Graph.Initializer {
		if tensor.DataType == 8 {
			continue
		}
		_, _, raw, err := TensorData(tensor, ext)
		if err != nil {
			t.Fatal(err)
		}
		out[tensor.Name] = raw
	}
	return m, out
}

func names(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestAModelInlineReadsBackEqual(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	m := mixture()
	m.ProducerName, m.MetadataProps = "test", []*pb.StringStringEntryProto{{Key: "k", Value: "v"}}
	m.Functions = []*pb.FunctionProto{function("f", node("Neg", "x", "y"))}
	m.Functions[0].OpsetImport = opset18()
	before := proto.Clone(m)
	if err := Write(path, m, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	got, _ := contents(t, path)
	if !proto.Equal(got, before) {
		t.Error("the model read back differs from the one written")
	}
	if !proto.Equal(m, before) {
		t.Error("writing changed the model")
	}
	if got := names(t, filepath.Dir(path)); got != "m.onnx" {
		t.Errorf("files left: %s", got)
	}
}

func TestLargeTensorsGoToOneAlignedDataFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := Write(path, mixture(), WriteOptions{External: ExternalAlways}); err != nil {
		t.Fatal(err)
	}
	m, data := contents(t, path)
	_, inline := mixture(), map[string][]byte{}
	for _, tensor := range mixture().Graph.Initializer {
		if _, _, raw, err := TensorData(tensor, nil); err == nil {
			inline[tensor.Name] = raw
		}
	}
	for name, want := range inline {
		if !bytes.Equal(data[name], want) {
			t.Errorf("%s differs", name)
		}
	}
	where := map[string]string{}
	for _, tensor := range m.Graph.Initializer {
		for _, kv := range tensor.ExternalData {
			where[tensor.Name] += kv.Key + "=" + kv.Value + " "
		}
	}
	for name, want := range map[string]string{
		"small": "", "words": "",
		"large":  "location=m.onnx_data offset=0 length=6000 ",
		"listed": "location=m.onnx_data offset=8192 length=2048 ",
		"edge":   "location=m.onnx_data offset=12288 length=1024 ",
	} {
		if where[name] != want {
			t.Errorf("%s is at %q, want %q", name, where[name], want)
		}
	}
	if got := names(t, filepath.Dir(path)); got != "m.onnx m.onnx_data" {
		t.Errorf("files left: %s", got)
	}
}

// counted is a payload that makes its bytes while they are written.
type counted struct {
	size  int64
	write func(io.Writer) (int64, error)
}

func (c counted) Size() int64                        { return c.size }
func (c counted) WriteTo(w io.Writer) (int64, error) { return c.write(w) }

func made(n int64) counted {
	return counted{n, func(w io.Writer) (int64, error) {
		chunk := pattern(1<<16, 0)
		for done := int64(0); done < n; done += int64(len(chunk)) {
			if _, err := w.Write(chunk[:min(int64(len(chunk)), n-done)]); err != nil {
				return done, err
			}
		}
		return n, nil
	}}
}

func TestPayloadsAreStreamed(t *testing.T) {
	const size = 96 << 20
	for name, mode := range map[string]ExternalMode{"inline": ExternalNever, "external": ExternalAlways} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.onnx")
			m := initialised(tensor("w", nil, size/4))
			var err error
			_, heap := spent(func() {
				err = Write(path, m, WriteOptions{External: mode, Payloads: map[string]Payload{"w": made(size)}})
			})
			if err != nil {
				t.Fatal(err)
			}
			if heap > 8<<20 {
				t.Errorf("%d MiB of heap to write %d MiB", heap>>20, size>>20)
			}
			_, ext, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			_ = ext
		})
	}
}

func TestExternalDataCanBeWrittenAgainUnderAnotherName(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a.onnx"), filepath.Join(dir, "b.onnx")
	if err := Write(first, mixture(), WriteOptions{External: ExternalAlways}); err != nil {
		t.Fatal(err)
	}
	m, ext, err := Read(first)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, Write(second, m, WriteOptions{}), "graph.initializer[1]", "payload")
	payloads := map[string]Payload{}
	for _, tensor := range m.Graph.Initializer {
		if tensor.DataLocation != pb.TensorProto_EXTERNAL {
			continue
		}
		if payloads[tensor.Name], err = ext.Payload(tensor); err != nil {
			t.Fatal(err)
		}
		tensor.ExternalData, tensor.DataLocation = nil, pb.TensorProto_DEFAULT
	}
	if err := Write(second, m, WriteOptions{Payloads: payloads}); err != nil {
		t.Fatal(err)
	}
	_, a := contents(t, first)
	_, b := contents(t, second)
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestAFailedWriteLeavesWhatWasThere(t *testing.T) {
	broken := errors.New("the weights are gone")
	for name, mode := range map[string]ExternalMode{"inline": ExternalNever, "external": ExternalAlways} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "m.onnx")
			fails := counted{4096, func(w io.Writer) (int64, error) { return 0, broken }}
			lies := counted{4096, func(w io.Writer) (int64, error) { n, err := w.Write(make([]byte, 4095)); return int64(n), err }}
			m := initialised(tensor("w", nil, 1024))
			for _, p := range []Payload{fails, lies} {
				err := Write(path, m, WriteOptions{External: mode, Payloads: map[string]Payload{"w": p}})
				if err == nil || !strings.Contains(err.Error(), `tensor "w"`) {
					t.Errorf("want an error naming the tensor, got %v", err)
				}
			}
			if got := names(t, dir); got != "" {
				t.Errorf("files left: %s", got)
			}
			if err := Write(path, mixture(), WriteOptions{External: mode}); err != nil {
				t.Fatal(err)
			}
			_, before := contents(t, path)
			if err := Write(path, m, WriteOptions{External: mode, Payloads: map[string]Payload{"w": fails}}); !errors.Is(err, broken) {
				t.Errorf("want the payload's error, got %v", err)
			}
			if _, after := contents(t, path); !bytes.Equal(before["large"], after["large"]) {
				t.Error("the older model was damaged")
			}
		})
	}
}

func TestOnlyPlainFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, link, want string
	}{
		{"to-file", "to-file", "symbolic link"},
		{"data-to-file", "data-to-file_data", "symbolic link"},
		{"folder", "", "folder"},
		{"none/m.onnx", "", "no folder"},
	} {
		path := filepath.Join(dir, c.name)
		if c.link != "" {
			if err := os.Symlink(victim, filepath.Join(dir, c.link)); err != nil {
				t.Fatal(err)
			}
		} else if c.name == "folder" {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		refused(t, Write(path, mixture(), WriteOptions{External: ExternalAlways}), dir, c.want)
	}
	if got, _ := os.ReadFile(victim); string(got) != "precious" {
		t.Errorf("written through a link: %q", got)
	}
	if got := names(t, dir); strings.Contains(got, "tmp") {
		t.Errorf("files left: %s", got)
	}
}

func TestPayloadsMustFitTheirTensors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	refused(t, Write(path, initialised(tensor("w", nil, 3)), WriteOptions{Payloads: map[string]Payload{"w": Bytes(make([]byte, 8))}}), `"w"`, "need 12 bytes", "has 8")
	refused(t, Write(path, initialised(tensor("w", make([]byte, 8), 2)), WriteOptions{Payloads: map[string]Payload{"w": Bytes(make([]byte, 8))}}), "payload too")
	refused(t, Write(path, initialised(tensor("w", nil, 2)), WriteOptions{Payloads: map[string]Payload{"v": Bytes(nil)}}), "0 entries")
	refused(t, Write(path, initialised(), WriteOptions{Payloads: map[string]Payload{"v": Bytes(nil)}}), "only 0 initialisers")
}

func TestModelsAboveTheFormatsLimitGoOutside(t *testing.T) {
	const big = int64(3) << 30
	m := initialised(tensor("w", nil, big/4))
	p := map[string]Payload{"w": counted{size: big}}
	l, err := layOut("m.onnx", m, WriteOptions{Payloads: p})
	if err != nil {
		t.Fatal(err)
	}
	if l.dataBytes != big || l.measure() > 4096 {
		t.Errorf("%d bytes outside, %d inside", l.dataBytes, l.measure())
	}
	_, err = layOut("m.onnx", m, WriteOptions{Payloads: p, External: ExternalNever})
	refused(t, err, "2 GiB")
}
